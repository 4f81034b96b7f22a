#include "source/mesh/outlier.h"

#include <algorithm>

namespace kith::mesh {
namespace {

// Of the multiplier: an endpoint that never recovers is still tried now and then.
constexpr uint32_t kMaxEjections = 10;

}  // namespace

bool EndpointHealth::Record(Outcome outcome, const OutlierDetection& policy) {
  if (outcome == Outcome::kGood) {
    errors_ = gateway_errors_ = 0;
    return false;
  }
  ++errors_;
  gateway_errors_ = outcome == Outcome::kGatewayError ? gateway_errors_ + 1 : 0;
  return (policy.consecutive_errors > 0 && errors_ >= policy.consecutive_errors) ||
         (policy.consecutive_gateway_errors > 0 &&
          gateway_errors_ >= policy.consecutive_gateway_errors);
}

uint64_t EndpointHealth::Eject(uint64_t now_ms, const OutlierDetection& policy) {
  const auto interval = static_cast<uint64_t>(absl::ToInt64Milliseconds(policy.interval));
  if (ejections_ > 0 && interval > 0) {
    const uint64_t forgiven = (now_ms - std::min(now_ms, ejected_until_ms_)) / interval;
    ejections_ -= static_cast<uint32_t>(std::min<uint64_t>(forgiven, ejections_));
  }
  ejections_ = std::min(ejections_ + 1, kMaxEjections);
  const absl::Duration span = policy.base_ejection_time * static_cast<int64_t>(ejections_);
  ejected_until_ms_ = now_ms + static_cast<uint64_t>(absl::ToInt64Milliseconds(span));
  errors_ = gateway_errors_ = 0;
  return ejected_until_ms_;
}

bool MayEject(size_t endpoints, size_t ejected, const OutlierDetection& policy) {
  if (ejected + 1 >= endpoints) return false;
  return ejected == 0 || (ejected + 1) * 100 <= endpoints * policy.max_ejection_percent;
}

bool MustUseAll(size_t endpoints, size_t ejected, const OutlierDetection& policy) {
  return (endpoints - ejected) * 100 < endpoints * policy.min_health_percent;
}

}  // namespace kith::mesh
