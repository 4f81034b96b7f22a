// How many of a service's requests may be sent again: a share of those of the last ten seconds, so
// that a service which fails gets a little more load for it and not a multiple. A burst of broken
// connections is within what the requests before it have earned.
// Threads: the worker's. Owns: nothing. Errors: none.
#pragma once

#include <array>
#include <cstdint>

namespace kith::proxy {

struct RetryLimits {
  uint32_t attempts = 2;           // Of one request, beside its first; zero: none is sent again.
  uint32_t budget_percent = 20;    // Of a service's requests of the last ten seconds,
  uint32_t budget_per_second = 3;  // and so many beside.
};

class RetryBudget {
 public:
  static constexpr uint64_t kSeconds = 10;

  void AddRequest(uint64_t now_ms) { ++Now(now_ms).requests; }
  // Whether one more may be sent again; it then counts.
  bool Take(uint64_t now_ms, const RetryLimits& limits);
  // So many of those that were taken have cost the service nothing.
  void GiveBack(uint64_t now_ms, uint32_t count);

 private:
  struct Second {
    uint64_t number = 0;  // Since the loop's beginning.
    uint32_t requests = 0;
    uint32_t retries = 0;
  };
  Second& Now(uint64_t now_ms);

  std::array<Second, kSeconds> seconds_ = {};
};

}  // namespace kith::proxy
