// Whether one rule of an AuthorizationPolicy means something.
// Threads: any, pure. Owns: nothing. Errors: as validate.h, beginning with the field.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kith/security/v1/authorization_policy.pb.h"

namespace kith::policy {

// `field` is the rule's place in its policy, as in "spec.rules[0]".
absl::Status ValidateRule(const security::v1::Rule& rule,
                          security::v1::AuthorizationPolicySpec::Action action,
                          const std::string& field);

// The number of a port in a list of ports; -1 when it is none (decimal, 0 to 65535).
int ParsePort(absl::string_view text);

}  // namespace kith::policy
