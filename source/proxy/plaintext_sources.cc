#include "source/proxy/plaintext_sources.h"

#include <algorithm>

namespace kith::proxy {

void PlaintextSources::Add(const base::SocketAddress& from, uint16_t port, absl::Time now) {
  std::pair<std::string, uint16_t> key(from.IpString(), port);
  auto found = seen_.find(key);
  if (found == seen_.end()) {
    if (seen_.size() >= kMost) {
      ++beyond_;
      return;
    }
    found = seen_.emplace(std::move(key), Seen{0, now}).first;
  }
  ++found->second.connections;
  found->second.last = std::max(found->second.last, now);
}

std::vector<PlaintextSource> PlaintextSources::List() const {
  std::vector<PlaintextSource> list;
  list.reserve(seen_.size());
  for (const auto& [key, seen] : seen_) {
    list.push_back({key.first, key.second, seen.connections, seen.last});
  }
  return list;
}

}  // namespace kith::proxy
