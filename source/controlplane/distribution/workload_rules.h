// The part of a workload's settings that judges single requests: RequestAuthentications,
// RateLimitPolicies, and the external authorizers that its CUSTOM policies name.
// Threads: pure. Owns: nothing. Errors: none; the documents were checked when they were read.
#pragma once

#include "kith/mesh/v1/resources.pb.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/policy/select.h"

namespace kith::controlplane {

// `config` holds the workload's AuthorizationPolicies already.
void AddRules(const MeshState& state, const policy::Workload& workload,
              mesh::v1::WorkloadConfig& config);

}  // namespace kith::controlplane
