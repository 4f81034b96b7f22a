// The families of upstreams, of what is tried again, and of memory.
#include "source/telemetry/families.h"

namespace kith::telemetry {

namespace {

using absl::string_view;

constexpr string_view kReason[] = {"reason"};
constexpr string_view kResult[] = {"result"};
constexpr string_view kTimeout[] = {"timeout"};

constexpr absl::Span<const string_view> None() { return {}; }

}  // namespace

constexpr Family kUpstreamConnectionsActive{"kith_upstream_connections_active",
                                            MetricType::kGauge,
                                            "HTTP connections to upstreams, idle or busy.",
                                            None(),
                                            {}};
constexpr Family kUpstreamConnects{"kith_upstream_connects_total",
                                   MetricType::kCounter,
                                   "Attempts to connect to an upstream (ok, failed).",
                                   kResult,
                                   {}};
constexpr Family kHttpBadRequests{"kith_http_bad_requests_total",
                                  MetricType::kCounter,
                                  "Requests refused as malformed or ambiguous, by what is wrong.",
                                  kReason,
                                  {}};
constexpr Family kHttpRetries{"kith_http_retries_total",
                              MetricType::kCounter,
                              "Requests sent again, by what went wrong the first time.",
                              kReason,
                              {}};
constexpr Family kRetriesOverBudget{
    "kith_http_retries_over_budget_total",
    MetricType::kCounter,
    "Requests not sent again because too many to the same service were.",
    None(),
    {}};
constexpr Family kHttpTimeouts{"kith_http_timeouts_total",
                               MetricType::kCounter,
                               "Requests that took longer than they may, by what was over.",
                               kTimeout,
                               {}};
constexpr Family kRequestsShed{"kith_requests_shed_total",
                               MetricType::kCounter,
                               "Inbound requests answered 503 for want of memory.",
                               None(),
                               {}};
constexpr Family kMemoryResident{"kith_memory_resident_bytes",
                                 MetricType::kGauge,
                                 "Memory of the process, where a limit is known.",
                                 None(),
                                 {}};
constexpr Family kMemoryLimit{"kith_memory_limit_bytes",
                              MetricType::kGauge,
                              "Memory that the process may have; 0 when no limit is known.",
                              None(),
                              {}};
constexpr Family kMemoryPressureLevel{
    "kith_memory_pressure",
    MetricType::kGauge,
    "0: none. 1: inbound requests are refused. 2: inbound connections, too.",
    None(),
    {}};
constexpr Family kUpstreamEjections{
    "kith_upstream_ejections_total",
    MetricType::kCounter,
    "Endpoints left out for a while because of errors in a row (outlierDetection).",
    None(),
    {}};
constexpr Family kUpstreamUnverified{
    "kith_upstream_unverified_handshakes_total",
    MetricType::kCounter,
    "Handshakes with servers outside the mesh whose certificate was not looked at "
    "(insecureSkipVerify).",
    None(),
    {}};
constexpr Family kUpstreamFileReads{
    "kith_upstream_tls_reads_total",
    MetricType::kCounter,
    "Readings of the files that DestinationRules of mode SIMPLE and MUTUAL name (ok, failed).",
    kResult,
    {}};

}  // namespace kith::telemetry
