#include "source/controlplane/metrics.h"

#include "source/base/version.h"
#include "source/telemetry/families.h"

namespace kith::controlplane {
namespace {

// Kinds whose last document goes must read 0, not what they read before.
constexpr absl::string_view kKinds[] = {
    "AuthorizationPolicy", "DestinationRule",       "MeshConfig", "PeerAuthentication",
    "RateLimitPolicy",     "RequestAuthentication", "Service",    "ServiceEntry",
    "TrustPolicy",         "WorkloadEntry"};

}  // namespace

LoopMetrics::LoopMetrics(telemetry::Metrics& metrics) : shard_(metrics.AddShard()) {
  shard_.GetGauge(telemetry::kBuild, {"kith-controlplane", base::kVersion}).Set(1);
  SetStreams(0);
}

void LoopMetrics::SetLeads(bool leads) {
  shard_.GetGauge(telemetry::kLeader, {}).Set(leads ? 1 : 0);
}

void LoopMetrics::SetStreams(size_t streams) {
  shard_.GetGauge(telemetry::kXdsConnections, {}).Set(static_cast<double>(streams));
}

void LoopMetrics::CountPush(absl::string_view type) {
  shard_.GetCounter(telemetry::kXdsPushes, {type}).Add();
}

void LoopMetrics::CountAck(absl::string_view type) {
  shard_.GetCounter(telemetry::kXdsAcks, {type}).Add();
}

void LoopMetrics::CountNack(absl::string_view type) {
  shard_.GetCounter(telemetry::kXdsNacks, {type}).Add();
}

void LoopMetrics::CountBundleFetch(bool fetched) {
  shard_.GetCounter(telemetry::kBundleFetches, {fetched ? "ok" : "failed"}).Add();
}

void LoopMetrics::CountKeyFetch(bool fetched) {
  shard_.GetCounter(telemetry::kKeyFetches, {fetched ? "ok" : "failed"}).Add();
}

void LoopMetrics::Report(const DirectoryRegistry& registry) {
  double good = 0;
  double bad = 0;
  for (const FileReport& report : registry.reports()) ++(report.status.ok() ? good : bad);
  shard_.GetGauge(telemetry::kRegistryFiles, {"good"}).Set(good);
  shard_.GetGauge(telemetry::kRegistryFiles, {"bad"}).Set(bad);
  const bool ok = bad == 0 && registry.directory_error().ok();
  shard_.GetCounter(telemetry::kRegistryReloads, {ok ? "ok" : "failed"}).Add();
  const auto kinds = registry.Kinds();
  for (const absl::string_view kind : kKinds) {
    const auto found = kinds.find(std::string(kind));
    shard_.GetGauge(telemetry::kRegistryResources, {kind})
        .Set(found == kinds.end() ? 0 : found->second);
  }
}

}  // namespace kith::controlplane
