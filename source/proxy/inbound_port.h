// An inbound port and the way to its application.
// Threads: the worker's loop. Owns: the endpoint, shared with what uses it. Errors: none.
#pragma once

#include <memory>

#include "source/proxy/endpoint.h"

namespace kith::proxy {

struct InboundPort {
  // `source`: the address to dial the application from; none: any.
  static std::shared_ptr<InboundPort> Create(WorkerState& worker, const InboundOptions& options,
                                             const base::SocketAddress& source = {});

  // Where a request goes. A port that declares nothing has two ways to its application: HTTP/2 for
  // gRPC, which knows no other, and where a Service declares it.
  std::shared_ptr<Endpoint> ApplicationFor(WorkerState& worker, const StoredRequest& request);

  InboundOptions options;
  std::shared_ptr<Endpoint> application;
  std::shared_ptr<Endpoint> http2_application;  // Of one that declares nothing; null: not used yet.

  // What policies may know of a connection to it. Everything is borrowed.
  policy::Request PeerOf(const WorkerState& worker, const ConnectionFacts& facts,
                         const base::SocketAddress& remote) const;
  void Retire() {
    application->Retire();
    if (http2_application != nullptr) http2_application->Retire();
  }
};

}  // namespace kith::proxy
