// From DestinationRules to what holds for each port of a service.
// Threads: pure functions. Owns: nothing.
// Errors: as service_rules.h.
#pragma once

#include "absl/status/statusor.h"
#include "kith/networking/v1/destination_rule.pb.h"
#include "source/controlplane/registry/mesh_state.h"

namespace kith::controlplane {

// The metadata must have been checked.
absl::StatusOr<TrafficRule> FromDestinationRule(const networking::v1::DestinationRule& rule);

}  // namespace kith::controlplane
