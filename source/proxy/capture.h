// Captured connections: what the kernel redirected here finds its port by where it was going.
// Inbound, that is a port of the application, made when it is first used. Outbound, it is a service
// by its virtual address, a workload by its own, or a destination outside the mesh; an address not
// seen before is asked of the control plane, and the connection waits meanwhile.
// Threads: the worker's loop. Owns: the ports in use and the connections that wait; sessions, once
// begun, belong to their sets.
// Errors: a connection that came directly, one to this proxy's own ports, and one to an unknown
// destination where those are refused, are closed, counted and logged.
#pragma once

#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "source/proxy/inbound.h"
#include "source/proxy/outbound.h"

namespace kith::proxy {

class CapturedInbound {
 public:
  CapturedInbound(WorkerState& worker, SessionSet& sessions)
      : worker_(worker), sessions_(sessions) {}

  // stream->local() is where it was going.
  void Accept(std::unique_ptr<net::Stream> stream);
  size_t ports() const { return ports_.size(); }

 private:
  std::shared_ptr<InboundPort> PortFor(const base::SocketAddress& application);

  WorkerState& worker_;
  SessionSet& sessions_;
  absl::flat_hash_map<base::SocketAddress, std::shared_ptr<InboundPort>> ports_;
};

class CapturedOutbound {
 public:
  CapturedOutbound(WorkerState& worker, SessionSet& sessions)
      : worker_(worker), sessions_(sessions) {}

  void Accept(std::unique_ptr<net::Stream> stream);
  // After a new snapshot: ports follow it, and whoever waits for it goes on.
  void OnConfigChanged();
  size_t ports() const { return ports_.size(); }

 private:
  class Waiting;
  using Key = std::pair<base::SocketAddress, mesh::Protocol>;

  std::shared_ptr<OutboundPort> PortFor(const base::SocketAddress& destination,
                                        mesh::Protocol protocol);

  WorkerState& worker_;
  SessionSet& sessions_;
  absl::flat_hash_map<Key, std::shared_ptr<OutboundPort>> ports_;
  absl::flat_hash_set<Waiting*> waiting_;  // Borrowed from sessions_.
};

}  // namespace kith::proxy
