// The main loop's counters: distribution and registry.
// Threads: the loop's, which owns the shard. Owns: nothing; the metrics must outlive it.
// Errors: none.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "source/controlplane/distribution/hub.h"
#include "source/controlplane/registry/directory_registry.h"
#include "source/telemetry/metrics.h"

namespace kith::controlplane {

class LoopMetrics final : public HubObserver {
 public:
  explicit LoopMetrics(telemetry::Metrics& metrics);

  void SetStreams(size_t streams) override;
  void CountPush(absl::string_view type) override;
  void CountAck(absl::string_view type) override;
  void CountNack(absl::string_view type) override;

  void SetLeads(bool leads);
  void CountKeyFetch(bool fetched);
  void CountBundleFetch(bool fetched);
  // After every reading of the directory.
  void Report(const DirectoryRegistry& registry);

 private:
  telemetry::Shard& shard_;
};

}  // namespace kith::controlplane
