// Whether an AuthorizationPolicy means something.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT "demo/allow-x: spec.rules[0].when[0].key: ..." (policy, field, what is
// wrong, what to do).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::security::v1 {
class AuthorizationPolicy;
}

namespace kith::policy {

// "namespace/name".
std::string PolicyName(const security::v1::AuthorizationPolicy& policy);

absl::Status Validate(const security::v1::AuthorizationPolicy& policy,
                      absl::string_view root_namespace);

// Whether the valid policy is only tried out: annotation "istio.io/dry-run", of ALLOW and DENY.
bool IsDryRun(const security::v1::AuthorizationPolicy& policy);

// What is allowed and yet probably not meant, in the same form. The policy is valid.
std::vector<std::string> Warnings(const security::v1::AuthorizationPolicy& policy);

}  // namespace kith::policy
