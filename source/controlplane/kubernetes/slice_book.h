// The cluster's EndpointSlices (discovery.k8s.io/v1), gathered by Service.
// Threads: any. Owns: what it read, a few words an endpoint. Errors: none; what has not the shape
// of a slice, and names in place of addresses, are passed over.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/controlplane/kubernetes/object_book.h"
#include "source/controlplane/registry/placed_endpoints.h"

namespace kith::controlplane {

struct KnownSlice {
  struct Endpoint {
    PlacedEndpoint placed;
    bool ready = true;
    bool ending = false;  // Not ready, for it terminates, and serves until then.
  };
  std::string host;  // Empty: it is of no Service.
  bool v6 = false;
  std::vector<Endpoint> endpoints;
};

class SliceBook final : public ObjectBook<KnownSlice> {
 public:
  SliceBook();

  // As kube-proxy chooses: the ready endpoints; while there is none, those that end and still
  // serve. IPv4 before IPv6.
  std::shared_ptr<const PlacedEndpoints> Snapshot() const;
};

}  // namespace kith::controlplane
