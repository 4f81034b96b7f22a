// One worker's token buckets.
// Threads: the worker's loop. Owns: the buckets, at most kMaxBuckets a policy; the one used longest
// ago makes room, and is full again should it come back. Errors: none.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "source/ratelimit/rate_limits.h"

namespace kith::ratelimit {

inline constexpr size_t kMaxBuckets = 10'000;

class Limiter {
 public:
  // Workers share nothing that changes: each of `workers` holds its part of every limit.
  explicit Limiter(uint32_t workers) : workers_(workers) {}

  // Buckets of policies that stay as they were keep what they hold.
  void SetLimits(std::shared_ptr<const RateLimits> limits);

  struct Verdict {
    bool allowed = true;
    absl::string_view policy;    // That refuses: borrowed from the limits.
    uint32_t retry_after_s = 0;  // Until its bucket has a token again; 1 at least.
  };
  // Takes a token from every bucket that the request counts against, or from none.
  Verdict Take(const policy::Request& request, uint64_t now_ms);

  size_t buckets() const;

 private:
  struct Bucket {
    std::string key;
    double tokens;
    uint64_t updated_ms;
  };
  struct Buckets {
    RateLimits::Key key;
    Limit limit;               // This worker's part.
    std::list<Bucket> by_use;  // The one used last is first.
    absl::flat_hash_map<absl::string_view, std::list<Bucket>::iterator> by_key;

    Bucket& Find(absl::string_view wanted, uint64_t now_ms);
  };

  const uint32_t workers_;
  std::shared_ptr<const RateLimits> limits_;
  absl::flat_hash_map<std::string, std::unique_ptr<Buckets>> buckets_;  // By policy.
  std::vector<Bucket*> taken_from_;                                     // Of the request at hand.
};

}  // namespace kith::ratelimit
