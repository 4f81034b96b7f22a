// TrustPolicies as the rules that tls/ enforces.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT that names the policy and the field: the text of a NACK.
#pragma once

#include <google/protobuf/repeated_field.h>

#include "absl/status/statusor.h"
#include "source/tls/trust_rules.h"

namespace kith::trust::v1 {
class TrustPolicy;
}

namespace kith::control {

// `policies` in the order of precedence: a field holds as the first that sets it says, and as
// `otherwise` has it when none does.
absl::StatusOr<tls::TrustRules> TranslateTrustPolicies(
    const google::protobuf::RepeatedPtrField<trust::v1::TrustPolicy>& policies,
    const tls::TrustRules& otherwise);

}  // namespace kith::control
