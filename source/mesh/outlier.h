// How one endpoint has been answering, and whether it is left out for that: consecutive errors
// eject it, for longer each time, until it has behaved for a while.
// Threads: one worker's. Owns: nothing. Errors: none.
#pragma once

#include <cstdint>

#include "source/mesh/traffic_policy.h"

namespace kith::mesh {

enum class Outcome : uint8_t {
  kGood,
  kError,         // A 5xx that the application itself may have meant.
  kGatewayError,  // 502, 503, 504, or no connection at all.
};

class EndpointHealth {
 public:
  // True when the policy now wants the endpoint left out: Eject() does it, if others may spare it.
  bool Record(Outcome outcome, const OutlierDetection& policy);
  // Returns until when.
  uint64_t Eject(uint64_t now_ms, const OutlierDetection& policy);
  bool ejected(uint64_t now_ms) const { return now_ms < ejected_until_ms_; }

 private:
  uint32_t errors_ = 0;          // In a row.
  uint32_t gateway_errors_ = 0;  // In a row.
  uint32_t ejections_ = 0;       // Not yet forgiven.
  uint64_t ejected_until_ms_ = 0;
};

// Whether one more of `endpoints` may be left out when `ejected` are: within the policy's share,
// but always one, and never the last.
bool MayEject(size_t endpoints, size_t ejected, const OutlierDetection& policy);

// Whether so few are left that all are used again.
bool MustUseAll(size_t endpoints, size_t ejected, const OutlierDetection& policy);

}  // namespace kith::mesh
