// Policies for tests, written as their users write them.
// Threads: any. Owns: nothing. Errors: text that cannot be read aborts the test.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "kith/security/v1/authorization_policy.pb.h"

namespace kith::policy {

// Every AuthorizationPolicy of a YAML text.
std::vector<security::v1::AuthorizationPolicy> Policies(absl::string_view yaml);

// The policy demo/p with this spec, in YAML.
security::v1::AuthorizationPolicy PolicyOf(absl::string_view spec);

}  // namespace kith::policy
