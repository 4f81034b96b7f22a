// Turns AuthorizationPolicies into the tables that PolicySet decides by.
// Threads: any, pure. Owns: nothing. Errors: those of Validate(), for the first policy that has
// one.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "source/policy/policy_set.h"
#include "source/policy/tables.h"

namespace kith::policy {

absl::StatusOr<std::unique_ptr<const Tables>> CompileTables(
    absl::Span<const security::v1::AuthorizationPolicy> policies,
    const PolicySet::Options& options);

}  // namespace kith::policy
