// How a client treats one port of a service: what its DestinationRule says. Counts and limits are
// each worker's own.
// Threads: plain data, immutable once in a snapshot. Owns: itself.
// Errors: none; control/traffic_policy.h checks what it is made from.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace kith::mesh {

enum class Balancer : uint8_t { kLeastRequest, kRoundRobin, kRandom, kConsistentHash };

inline constexpr uint32_t kUnlimited = UINT32_MAX;

struct ConnectionPool {
  uint32_t max_connections = kUnlimited;
  uint32_t max_pending_requests = kUnlimited;  // That wait for a connection.
  uint32_t max_requests = kUnlimited;          // Under way.
  uint32_t max_requests_per_connection = kUnlimited;
  uint32_t max_retries = kUnlimited;  // Of requests, under way.
  // Zero: the sidecar's own.
  absl::Duration connect_timeout = absl::ZeroDuration();
  absl::Duration tcp_idle_timeout = absl::ZeroDuration();
  absl::Duration http_idle_timeout = absl::ZeroDuration();
};

struct OutlierDetection {
  uint32_t consecutive_errors = 0;          // Of every kind; zero turns it off.
  uint32_t consecutive_gateway_errors = 0;  // 502 to 504 and failed connections.
  absl::Duration interval = absl::Seconds(10);
  absl::Duration base_ejection_time = absl::Seconds(30);
  uint32_t max_ejection_percent = 10;
  uint32_t min_health_percent = 0;

  bool enabled() const { return consecutive_errors > 0 || consecutive_gateway_errors > 0; }
};

// Which endpoints are preferred by where they are. It holds only beside outlier detection: without
// it nobody would know when to look farther.
struct LocalityPreference {
  bool enabled = true;
  // Where a region's clients go first when their own has no healthy endpoints.
  std::vector<std::pair<std::string, std::string>> failover;
};

struct TrafficPolicy {
  Balancer balancer = Balancer::kLeastRequest;
  // Of kConsistentHash: the header's name in lower case; empty hashes the client's IP address.
  std::string hash_header;
  ConnectionPool pool;
  OutlierDetection outliers;
  LocalityPreference locality = {};
};

}  // namespace kith::mesh
