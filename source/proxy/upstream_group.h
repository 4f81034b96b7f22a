// What the endpoints of one service port have in common for a worker: the traffic policy in force,
// and the counts that its limits hold against. It stays through every change of configuration.
// Threads: the worker's loop. Owns: the policy. Errors: none; who is refused by it says
// circuit_open.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "source/mesh/traffic_policy.h"
#include "source/proxy/retry_budget.h"

namespace kith::proxy {

class UpstreamGroup {
 public:
  // Counts one while it lives.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(std::shared_ptr<UpstreamGroup> group, uint32_t UpstreamGroup::*count)
        : group_(std::move(group)), count_(count) {
      ++((*group_).*count_);
    }
    Ticket(Ticket&& other) noexcept : group_(std::move(other.group_)), count_(other.count_) {}
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket() { Return(); }
    void Return();

   private:
    std::shared_ptr<UpstreamGroup> group_;
    uint32_t UpstreamGroup::*count_ = nullptr;
  };

  const mesh::TrafficPolicy& policy() const { return policy_; }
  // `endpoints`: how many there are now. `connections`: how many are established, of requests.
  void Update(mesh::TrafficPolicy policy, size_t endpoints,
              absl::AnyInvocable<uint32_t()> connections);

  // Requests and tunnels under way.
  void AddActive() { ++active_; }
  void RemoveActive() { --active_; }
  bool MayStartRequest() const { return active_ < policy_.pool.max_requests; }
  bool MayStartTunnel() const { return active_ < policy_.pool.max_connections; }
  // A request that no established connection can take: whether it may wait for another one.
  bool MayAwaitConnection();

  static Ticket Await(std::shared_ptr<UpstreamGroup> group) {
    return Ticket(std::move(group), &UpstreamGroup::waiting_);
  }
  static Ticket Dial(std::shared_ptr<UpstreamGroup> group) {
    return Ticket(std::move(group), &UpstreamGroup::dials_);
  }
  static Ticket Retry(std::shared_ptr<UpstreamGroup> group) {
    return Ticket(std::move(group), &UpstreamGroup::retrying_);
  }

  // Whether one more request may be sent again, beside those that are; it then counts.
  bool TakeRetry(uint64_t now_ms, const RetryLimits& limits) {
    return retrying_ < policy_.pool.max_retries && retries_.Take(now_ms, limits);
  }
  RetryBudget& retries() { return retries_; }

  // Whether one more endpoint may be left out; and that it is.
  bool MayEject(uint64_t now_ms);
  void Ejected(uint64_t until_ms) { ejected_until_ms_.push_back(until_ms); }
  // How many are left out now.
  size_t CountEjected(uint64_t now_ms);

 private:
  mesh::TrafficPolicy policy_;
  absl::AnyInvocable<uint32_t()> connections_;
  size_t endpoints_ = 0;
  uint32_t active_ = 0;
  uint32_t waiting_ = 0;
  uint32_t dials_ = 0;
  uint32_t retrying_ = 0;
  RetryBudget retries_;
  std::vector<uint64_t> ejected_until_ms_;
};

}  // namespace kith::proxy
