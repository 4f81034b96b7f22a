// Whether one rule of an AuthorizationPolicy means something, and something that is enforced.
// Threads: any, pure. Owns: nothing. Errors: as validate.h, beginning with the field.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::security::v1 {
class Rule;
}

namespace kith::policy {

// Whom the policy is for. What sidecars do not enforce is an error in what is for them.
enum class Audience : uint8_t { kSidecars, kGateways };

// `field` is the rule's place in its policy, as in "spec.rules[0]".
absl::Status ValidateRule(const security::v1::Rule& rule, const std::string& field,
                          Audience audience);

// The number of a port in a list of ports; -1 when it is none (decimal, 0 to 65535).
int ParsePort(absl::string_view text);

}  // namespace kith::policy
