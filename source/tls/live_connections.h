// Every established TLS connection of a worker, so that one whose peer loses our trust ends at
// once, whatever is carried over it. Threads: the loop of its connections. Owns: nothing;
// connections come and go by themselves, and share it because they may die after the worker's other
// parts. Errors: none.
#pragma once

#include <cstddef>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "source/telemetry/reason.h"
#include "source/tls/context.h"
#include "source/tls/verified_peers.h"

namespace kith::tls {

class TlsConnection;

class LiveConnections {
 public:
  LiveConnections() = default;
  LiveConnections(const LiveConnections&) = delete;
  LiveConnections& operator=(const LiveConnections&) = delete;

  // Ends those that `newest` no longer allows: the peer was revoked, or only a break-glass that is
  // over let the connection outlive its certificates. Tells of each one's reason.
  void Recheck(const Context& newest, absl::FunctionRef<void(telemetry::Reason)> ended);
  size_t size() const { return all_.size(); }
  // The peers that have made such connections.
  VerifiedPeers& verified() { return verified_; }

 private:
  friend class TlsConnection;
  void Add(TlsConnection& connection) { all_.insert(&connection); }
  void Remove(TlsConnection& connection) { all_.erase(&connection); }

  absl::flat_hash_set<TlsConnection*> all_;
  VerifiedPeers verified_;
};

}  // namespace kith::tls
