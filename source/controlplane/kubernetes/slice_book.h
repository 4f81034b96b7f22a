// The cluster's EndpointSlices (discovery.k8s.io/v1), gathered by Service.
// Threads: any. Owns: what it read, a few words an endpoint. Errors: none; what has not the shape
// of a slice, and names in place of addresses, are passed over.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "source/controlplane/registry/placed_endpoints.h"

namespace kith::controlplane {

class SliceBook {
 public:
  using Json = nlohmann::json;

  void Put(const Json& slice);
  void Remove(const Json& slice);
  void Replace(const std::vector<Json>& slices);

  // As kube-proxy chooses: the ready endpoints; while there is none, those that end and still
  // serve. IPv4 before IPv6.
  std::shared_ptr<const PlacedEndpoints> Snapshot() const;

 private:
  struct Endpoint {
    PlacedEndpoint placed;
    bool ready = true;
    bool ending = false;  // Not ready, for it terminates, and serves until then.
  };
  struct Slice {
    std::string host;
    bool v6 = false;
    std::vector<Endpoint> endpoints;
  };
  using Key = std::pair<std::string, std::string>;  // Namespace and name.
  static std::pair<Key, Slice> Read(const Json& slice);

  mutable std::mutex mutex_;
  std::map<Key, Slice> slices_;
};

}  // namespace kith::controlplane
