#include "source/control/traffic_policy.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kith/networking/v1/traffic_policy.pb.h"
#include "source/base/status.h"

namespace kith::control {
namespace {

using networking::v1::ConnectionPoolSettings;
using networking::v1::LoadBalancerSettings;

constexpr absl::Duration kMaxDuration = absl::Hours(24 * 365);

absl::Status Bad(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

// Istio's least is a millisecond.
absl::StatusOr<absl::Duration> Duration(absl::string_view field,
                                        const google::protobuf::Duration& from) {
  const absl::Duration duration =
      absl::Seconds(from.seconds()) + absl::Nanoseconds(static_cast<int64_t>(from.nanos()));
  if (duration < absl::Milliseconds(1)) return Bad(field, "must be 1ms or more");
  if (duration > kMaxDuration) return Bad(field, "must be a year or less");
  return duration;
}

absl::Status CheckAtLeastOne(absl::string_view field, bool has, uint32_t value) {
  if (has && value == 0) return Bad(field, "must be 1 or more: 0 would let nothing through");
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Percent(absl::string_view field, uint32_t value) {
  if (value > 100) return Bad(field, absl::StrCat(value, " is no percentage: 0 to 100"));
  return value;
}

// RFC 9110 §5.1.
bool IsHeaderName(absl::string_view name) {
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && absl::string_view("!#$%&'*+-.^_`|~").find(c) == name.npos) {
      return false;
    }
  }
  return !name.empty();
}

absl::Status SetBalancer(const LoadBalancerSettings& from, mesh::TrafficPolicy& to) {
  if (from.has_consistent_hash()) {
    const auto& hash = from.consistent_hash();
    if (from.simple() != LoadBalancerSettings::UNSPECIFIED) {
      return Bad("loadBalancer", "has both simple and consistentHash; keep one");
    }
    if (hash.use_source_ip() == !hash.http_header_name().empty()) {
      return Bad("loadBalancer.consistentHash",
                 "needs one of httpHeaderName and useSourceIp: true");
    }
    if (!hash.use_source_ip() && !IsHeaderName(hash.http_header_name())) {
      return Bad("loadBalancer.consistentHash.httpHeaderName",
                 absl::StrCat("\"", hash.http_header_name(), "\" is no header's name"));
    }
    to.balancer = mesh::Balancer::kConsistentHash;
    to.hash_header = absl::AsciiStrToLower(hash.http_header_name());
    return absl::OkStatus();
  }
  switch (from.simple()) {
    case LoadBalancerSettings::UNSPECIFIED:
    case LoadBalancerSettings::LEAST_REQUEST:
    case LoadBalancerSettings::LEAST_CONN:
      to.balancer = mesh::Balancer::kLeastRequest;
      return absl::OkStatus();
    case LoadBalancerSettings::RANDOM:
      to.balancer = mesh::Balancer::kRandom;
      return absl::OkStatus();
    case LoadBalancerSettings::ROUND_ROBIN:
      to.balancer = mesh::Balancer::kRoundRobin;
      return absl::OkStatus();
    case LoadBalancerSettings::PASSTHROUGH:
      return absl::UnimplementedError(
          "loadBalancer.simple: PASSTHROUGH needs captured traffic, which is not supported yet");
    default:
      return Bad("loadBalancer.simple", "is unknown");
  }
}

absl::Status SetLocality(const LoadBalancerSettings::LocalityLoadBalancerSetting& from,
                         mesh::LocalityPreference& to) {
  if (from.has_enabled()) to.enabled = from.enabled();
  for (int i = 0; i < from.failover_size(); ++i) {
    const auto& failover = from.failover(i);
    const std::string field = absl::StrCat("loadBalancer.localityLbSetting.failover[", i, "]");
    for (const std::string& region : {failover.from(), failover.to()}) {
      if (region.empty() || absl::StrContains(region, '/')) {
        return Bad(field, absl::StrCat("\"", region, "\" is no region; zones are not named here"));
      }
    }
    if (failover.from() == failover.to()) return Bad(field, "leads from a region to itself");
    to.failover.emplace_back(failover.from(), failover.to());
  }
  return absl::OkStatus();
}

absl::Status SetPool(const ConnectionPoolSettings& from, mesh::ConnectionPool& to) {
  const auto& tcp = from.tcp();
  KITH_RETURN_IF_ERROR(CheckAtLeastOne("connectionPool.tcp.maxConnections",
                                       tcp.has_max_connections(), tcp.max_connections()));
  if (tcp.has_max_connections()) to.max_connections = tcp.max_connections();
  if (tcp.has_connect_timeout()) {
    KITH_ASSIGN_OR_RETURN(to.connect_timeout,
                          Duration("connectionPool.tcp.connectTimeout", tcp.connect_timeout()));
  }
  if (tcp.has_idle_timeout()) {
    KITH_ASSIGN_OR_RETURN(to.tcp_idle_timeout,
                          Duration("connectionPool.tcp.idleTimeout", tcp.idle_timeout()));
  }
  const auto& http = from.http();
  KITH_RETURN_IF_ERROR(CheckAtLeastOne("connectionPool.http.http1MaxPendingRequests",
                                       http.has_http1_max_pending_requests(),
                                       http.http1_max_pending_requests()));
  KITH_RETURN_IF_ERROR(CheckAtLeastOne("connectionPool.http.http2MaxRequests",
                                       http.has_http2_max_requests(), http.http2_max_requests()));
  if (http.has_http1_max_pending_requests()) {
    to.max_pending_requests = http.http1_max_pending_requests();
  }
  if (http.has_http2_max_requests()) to.max_requests = http.http2_max_requests();
  if (http.max_requests_per_connection() > 0) {
    to.max_requests_per_connection = http.max_requests_per_connection();
  }
  if (http.max_retries() > 0) to.max_retries = http.max_retries();
  if (http.has_idle_timeout()) {
    KITH_ASSIGN_OR_RETURN(to.http_idle_timeout,
                          Duration("connectionPool.http.idleTimeout", http.idle_timeout()));
  }
  return absl::OkStatus();
}

absl::Status SetOutliers(const networking::v1::OutlierDetection& from, mesh::OutlierDetection& to) {
  to.consecutive_errors = from.has_consecutive_5xx_errors() ? from.consecutive_5xx_errors() : 5;
  to.consecutive_gateway_errors = from.consecutive_gateway_errors();
  if (from.has_interval()) {
    KITH_ASSIGN_OR_RETURN(to.interval, Duration("outlierDetection.interval", from.interval()));
  }
  if (from.has_base_ejection_time()) {
    KITH_ASSIGN_OR_RETURN(to.base_ejection_time,
                          Duration("outlierDetection.baseEjectionTime", from.base_ejection_time()));
  }
  if (from.has_max_ejection_percent()) {
    KITH_ASSIGN_OR_RETURN(to.max_ejection_percent, Percent("outlierDetection.maxEjectionPercent",
                                                           from.max_ejection_percent()));
  }
  KITH_ASSIGN_OR_RETURN(to.min_health_percent,
                        Percent("outlierDetection.minHealthPercent", from.min_health_percent()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<mesh::TrafficPolicy> TranslateTrafficPolicy(
    const networking::v1::TrafficPolicy& policy) {
  mesh::TrafficPolicy result;
  KITH_RETURN_IF_ERROR(SetBalancer(policy.load_balancer(), result));
  KITH_RETURN_IF_ERROR(SetLocality(policy.load_balancer().locality_lb_setting(), result.locality));
  KITH_RETURN_IF_ERROR(SetPool(policy.connection_pool(), result.pool));
  if (policy.has_outlier_detection()) {
    KITH_RETURN_IF_ERROR(SetOutliers(policy.outlier_detection(), result.outliers));
  }
  return result;
}

}  // namespace kith::control
