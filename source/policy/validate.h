// Whether an AuthorizationPolicy means something, and something that this version enforces.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT for what no version would take, UNIMPLEMENTED for what this one does not
// enforce yet: "demo/allow-x: spec.rules[0].when: ..." (policy, field, what is wrong, what to do).
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

// A policy with targetRefs is for gateways, so parts of it that sidecars do not enforce are no
// error.
absl::Status Validate(const security::v1::AuthorizationPolicy& policy,
                      absl::string_view root_namespace);

// What is allowed and yet probably not meant, in the same form. The policy is valid.
std::vector<std::string> Warnings(const security::v1::AuthorizationPolicy& policy);

}  // namespace kith::policy
