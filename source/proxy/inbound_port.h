// An inbound port and the way to its application.
// Threads: the worker's loop. Owns: the endpoint, shared with what uses it. Errors: none.
#pragma once

#include <memory>

#include "source/proxy/endpoint.h"

namespace kith::proxy {

struct InboundPort {
  // `source`: the address to dial the application from; none: any.
  static std::shared_ptr<InboundPort> Create(WorkerState& worker, InboundOptions options,
                                             const base::SocketAddress& source = {});

  InboundOptions options;
  std::shared_ptr<Endpoint> application;

  // What policies may know of a connection to it. Everything is borrowed.
  policy::Request PeerOf(const WorkerState& worker, const ConnectionFacts& facts,
                         const base::SocketAddress& remote) const;
  void Retire() { application->Retire(); }
};

}  // namespace kith::proxy
