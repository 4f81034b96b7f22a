// Which of a workload's own ports its Services declare to speak HTTP/2 (also gRPC): its sidecar,
// whose captured ports declare nothing, speaks it to the application there. Threads: pure. Owns:
// nothing. Errors: none; a port that one Service declares HTTP/2 and another HTTP/1.1 is not among
// them.
#pragma once

#include <cstdint>
#include <set>

#include "source/controlplane/distribution/workload.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/controlplane/registry/placed_endpoints.h"

namespace kith::controlplane {

std::set<uint32_t> Http2PortsOf(const Workload& workload, const MeshState& state,
                                const PlacedEndpoints& placed);

}  // namespace kith::controlplane
