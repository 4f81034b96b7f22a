// Checks a TrafficPolicy and turns it into what the data path reads: for the control plane, which
// refuses a document, and for the sidecar, which refuses a resource.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT, or UNIMPLEMENTED for what a later version may do; the message begins
// with the field's path.
#pragma once

#include "absl/status/statusor.h"
#include "source/mesh/traffic_policy.h"

namespace kith::networking::v1 {
class TrafficPolicy;
}

namespace kith::control {

absl::StatusOr<mesh::TrafficPolicy> TranslateTrafficPolicy(
    const networking::v1::TrafficPolicy& policy);

}  // namespace kith::control
