// Where the cluster says that its Services are served: the contents of EndpointSlices, by host.
// Threads: plain data; immutable once published. Owns: itself. Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace kith::controlplane {

struct PlacedEndpoint {
  std::string ip;
  std::string pod;                        // Its name; empty: it is none of the cluster's.
  std::map<std::string, uint32_t> ports;  // By the service port's name.
  bool serves = true;                     // False: it is known, and gets no new connections.
};

// By host. A Service that is not among them is served by whom its selector finds.
using PlacedEndpoints = std::map<std::string, std::vector<PlacedEndpoint>>;

}  // namespace kith::controlplane
