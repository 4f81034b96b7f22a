#include "source/ratelimit/limiter.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kith::ratelimit {

void Limiter::SetLimits(std::shared_ptr<const RateLimits> limits) {
  absl::flat_hash_map<std::string, std::unique_ptr<Buckets>> next;
  if (limits != nullptr) {
    for (const RateLimits::Policy& policy : limits->policies()) {
      const Limit part{.per_second = policy.limit.per_second / workers_,
                       .burst = std::max(1.0, policy.limit.burst / workers_)};
      std::unique_ptr<Buckets>& slot = next[policy.name];
      const auto earlier = buckets_.find(policy.name);
      if (earlier != buckets_.end() && earlier->second->key == policy.key &&
          earlier->second->limit == part) {
        slot = std::move(earlier->second);
      } else {
        slot = std::make_unique<Buckets>();
        slot->key = policy.key;
        slot->limit = part;
      }
    }
  }
  buckets_ = std::move(next);
  limits_ = std::move(limits);
}

Limiter::Bucket& Limiter::Buckets::Find(absl::string_view wanted, uint64_t now_ms) {
  if (const auto found = by_key.find(wanted); found != by_key.end()) {
    by_use.splice(by_use.begin(), by_use, found->second);
  } else {
    if (by_use.size() >= kMaxBuckets) {
      by_key.erase(by_use.back().key);
      by_use.pop_back();
    }
    by_use.push_front({std::string(wanted), limit.burst, now_ms});
    by_key.emplace(by_use.front().key, by_use.begin());
  }
  Bucket& bucket = by_use.front();
  if (now_ms > bucket.updated_ms) {
    const double seconds = static_cast<double>(now_ms - bucket.updated_ms) / 1000;
    bucket.tokens = std::min(limit.burst, bucket.tokens + seconds * limit.per_second);
    bucket.updated_ms = now_ms;
  }
  return bucket;
}

Limiter::Verdict Limiter::Take(const policy::Request& request, uint64_t now_ms) {
  if (limits_ == nullptr) return {};
  taken_from_.clear();
  for (const RateLimits::Policy& policy : limits_->policies()) {
    if (!policy.Counts(request)) continue;
    Buckets& buckets = *buckets_.find(policy.name)->second;
    Bucket& bucket = buckets.Find(policy.KeyOf(request), now_ms);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      taken_from_.push_back(&bucket);
      continue;
    }
    // What is refused costs nothing elsewhere.
    for (Bucket* const taken : taken_from_) taken->tokens += 1;
    const double wait = std::ceil((1 - bucket.tokens) / buckets.limit.per_second);
    return {.allowed = false,
            .policy = policy.name,
            .retry_after_s = static_cast<uint32_t>(std::clamp(wait, 1.0, 86400.0))};
  }
  return {};
}

size_t Limiter::buckets() const {
  size_t count = 0;
  for (const auto& [name, buckets] : buckets_) count += buckets->by_use.size();
  return count;
}

}  // namespace kith::ratelimit
