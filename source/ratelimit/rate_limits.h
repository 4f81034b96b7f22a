// RateLimitPolicies of a workload, compiled: which requests count against which bucket.
// Threads: immutable after Compile(); shared by all workers, each of which fills its own buckets
// (limiter.h). Owns: its policies.
// Errors: "namespace/name: field: what is wrong".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/policy/policy_set.h"

namespace kith::ratelimit::v1 {
class RateLimitPolicy;
}

namespace kith::ratelimit {

absl::Status Validate(const v1::RateLimitPolicy& policy);

// A bucket holds at most `burst` tokens and gains `per_second`.
struct Limit {
  double per_second = 0;
  double burst = 0;

  friend bool operator==(const Limit& a, const Limit& b) {
    return a.per_second == b.per_second && a.burst == b.burst;
  }
};

class RateLimits {
 public:
  enum class Key : uint8_t { kNone, kPrincipal, kNamespace, kCertificate };

  struct Policy {
    std::string name;  // "namespace/name".
    Key key = Key::kNone;
    Limit limit;
    std::shared_ptr<const policy::PolicySet> counted;  // Denies what counts. Null: everything does.

    bool Counts(const policy::Request& request) const;
    // What tells buckets apart; empty for peers that have no such thing, who share one.
    absl::string_view KeyOf(const policy::Request& request) const;
  };

  // All `policies` select the workload.
  static absl::StatusOr<std::shared_ptr<const RateLimits>> Compile(
      absl::Span<const v1::RateLimitPolicy> policies, const policy::PolicySet::Options& options);

  const std::vector<Policy>& policies() const { return policies_; }
  // As PolicySet's: what else a request must be filled with.
  bool reads_headers() const;
  bool reads_certificates() const;

 private:
  explicit RateLimits(std::vector<Policy> policies) : policies_(std::move(policies)) {}

  std::vector<Policy> policies_;  // By name.
};

}  // namespace kith::ratelimit
