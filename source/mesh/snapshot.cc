#include "source/mesh/snapshot.h"

namespace kith::mesh {

EndpointTls CapturedWorkload::ForPort(uint16_t port) const {
  const auto found = port_tls.find(port);
  return found == port_tls.end() ? tls : found->second;
}

const ServicePort* Service::FindPort(uint16_t number) const {
  for (const ServicePort& port : ports) {
    if (port.number == number) return &port;
  }
  return nullptr;
}

MtlsMode WorkloadModes::ForPort(uint16_t port) const {
  const auto found = port_modes.find(port);
  return found == port_modes.end() ? mode : found->second;
}

const Service* Snapshot::FindService(absl::string_view host) const {
  const auto found = services.find(host);
  return found == services.end() ? nullptr : found->second.get();
}

}  // namespace kith::mesh
