#include "source/controlplane/distribution/http2_ports.h"

#include <algorithm>
#include <iterator>

namespace kith::controlplane {
namespace {

// The workload's port behind one of the service's; zero: not known.
uint32_t TargetOf(const PortDefinition& port, const ServiceDefinition& definition,
                  const Workload& workload, const PlacedEndpoints& placed) {
  const auto endpoints = placed.find(definition.host);
  if (endpoints == placed.end()) return port.target_port;
  for (const PlacedEndpoint& endpoint : endpoints->second) {
    if (endpoint.pod != workload.name && !workload.captured.contains(endpoint.ip)) continue;
    const auto target = endpoint.ports.find(port.name);
    if (target != endpoint.ports.end()) return target->second;
  }
  return 0;
}

}  // namespace

std::set<uint32_t> Http2PortsOf(const Workload& workload, const MeshState& state,
                                const PlacedEndpoints& placed) {
  std::set<uint32_t> http2, http1;
  for (const auto& [host, definition] : state.services) {
    if (definition.name_space != workload.name_space || definition.selector.empty() ||
        !Matches(definition.selector, workload.labels)) {
      continue;
    }
    for (const PortDefinition& port : definition.ports) {
      if (port.protocol == PortProtocol::kTcp) continue;
      const uint32_t target = TargetOf(port, definition, workload, placed);
      if (target != 0) (port.protocol == PortProtocol::kHttp2 ? http2 : http1).insert(target);
    }
  }
  std::set<uint32_t> ports;
  std::set_difference(http2.begin(), http2.end(), http1.begin(), http1.end(),
                      std::inserter(ports, ports.end()));
  return ports;
}

}  // namespace kith::controlplane
