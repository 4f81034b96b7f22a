#include "source/controlplane/ca/ca_metrics.h"

#include "source/telemetry/families.h"

namespace kith::controlplane {

CaMetrics::CaMetrics(telemetry::Metrics& metrics) : shard_(metrics.AddShard()) {}

void CaMetrics::CountTokenCheck(Refusal refusal) {
  const std::lock_guard<std::mutex> lock(mutex_);
  absl::string_view result = refusal == Refusal::kNone ? "ok" : "failed";
  shard_.GetCounter(telemetry::kTokenChecks, {result, Name(refusal)}).Add();
}

void CaMetrics::CountRequest(Refusal refusal, absl::Duration took) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (refusal != Refusal::kNone) {
    shard_.GetCounter(telemetry::kCaRejected, {Name(refusal)}).Add();
    return;
  }
  shard_.GetCounter(telemetry::kCaIssued, {}).Add();
  shard_.GetHistogram(telemetry::kCaIssueDuration, {}).Observe(absl::ToDoubleSeconds(took));
}

void CaMetrics::SetNotAfter(absl::Time root, absl::Time signer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  shard_.GetGauge(telemetry::kCaNotAfter, {"root"})
      .Set(absl::ToDoubleSeconds(root - absl::UnixEpoch()));
  shard_.GetGauge(telemetry::kCaNotAfter, {"signer"})
      .Set(absl::ToDoubleSeconds(signer - absl::UnixEpoch()));
}

}  // namespace kith::controlplane
