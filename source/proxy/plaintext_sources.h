// Who came without TLS: whom a STRICT PeerAuthentication would break.
// Threads: the worker's loop. Owns: a bounded table by address and port; of further addresses only
// the number of connections is kept. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "source/base/socket_address.h"

namespace kith::proxy {

struct PlaintextSource {
  std::string ip;
  uint16_t port = 0;  // The workload's.
  uint64_t connections = 0;
  absl::Time last = absl::InfinitePast();
};

class PlaintextSources {
 public:
  static constexpr size_t kMost = 1024;

  void Add(const base::SocketAddress& from, uint16_t port, absl::Time now);

  std::vector<PlaintextSource> List() const;
  uint64_t beyond() const { return beyond_; }

 private:
  struct Seen {
    uint64_t connections = 0;
    absl::Time last;
  };
  absl::flat_hash_map<std::pair<std::string, uint16_t>, Seen> seen_;
  uint64_t beyond_ = 0;  // Connections from addresses that found no room.
};

}  // namespace kith::proxy
