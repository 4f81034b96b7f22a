#include "source/proxy/retry_budget.h"

#include <algorithm>

namespace kith::proxy {

RetryBudget::Second& RetryBudget::Now(uint64_t now_ms) {
  const uint64_t number = now_ms / 1000;
  Second& second = seconds_[number % kSeconds];
  if (second.number != number) second = Second{number, 0, 0};
  return second;
}

bool RetryBudget::Take(uint64_t now_ms, const RetryLimits& limits) {
  Second& now = Now(now_ms);
  uint64_t requests = 0;
  uint64_t retries = 0;
  for (const Second& second : seconds_) {
    if (second.number + kSeconds <= now.number) continue;
    requests += second.requests;
    retries += second.retries;
  }
  const uint64_t allowed_hundredths =
      requests * limits.budget_percent + uint64_t{limits.budget_per_second} * kSeconds * 100;
  if ((retries + 1) * 100 > allowed_hundredths) return false;
  ++now.retries;
  return true;
}

void RetryBudget::GiveBack(uint64_t now_ms, uint32_t count) {
  const uint64_t now = now_ms / 1000;
  for (uint64_t ago = 0; ago < std::min(kSeconds, now + 1) && count > 0; ++ago) {
    Second& second = seconds_[(now - ago) % kSeconds];
    if (second.number != now - ago) continue;
    const uint32_t given = std::min(count, second.retries);
    second.retries -= given;
    count -= given;
  }
}

}  // namespace kith::proxy
