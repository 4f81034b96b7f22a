#include "source/proxy/upstream_group.h"

#include <algorithm>
#include <utility>

#include "source/mesh/outlier.h"

namespace kith::proxy {

UpstreamGroup::Ticket& UpstreamGroup::Ticket::operator=(Ticket&& other) noexcept {
  Return();
  group_ = std::move(other.group_);
  count_ = other.count_;
  return *this;
}

void UpstreamGroup::Ticket::Return() {
  if (group_ == nullptr) return;
  --((*group_).*count_);
  group_ = nullptr;
}

void UpstreamGroup::Update(mesh::TrafficPolicy policy, size_t endpoints,
                           absl::AnyInvocable<uint32_t()> connections) {
  policy_ = std::move(policy);
  endpoints_ = endpoints;
  connections_ = std::move(connections);
}

bool UpstreamGroup::MayAwaitConnection() {
  if (waiting_ >= policy_.pool.max_pending_requests) return false;
  if (policy_.pool.max_connections == mesh::kUnlimited || !connections_) return true;
  const uint32_t established = connections_();
  // While the first one is dialled nobody knows whether it will carry many requests at once.
  return established == 0 || established + dials_ < policy_.pool.max_connections;
}

bool UpstreamGroup::MayEject(uint64_t now_ms) {
  return mesh::MayEject(endpoints_, CountEjected(now_ms), policy_.outliers);
}

size_t UpstreamGroup::CountEjected(uint64_t now_ms) {
  ejected_until_ms_.erase(std::remove_if(ejected_until_ms_.begin(), ejected_until_ms_.end(),
                                         [&](uint64_t until) { return until <= now_ms; }),
                          ejected_until_ms_.end());
  return std::min(ejected_until_ms_.size(), endpoints_);
}

}  // namespace kith::proxy
