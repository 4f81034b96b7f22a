// The control plane's counters for tokens and certificates. gRPC's threads are many and a telemetry
// shard has one writer, so these go through a mutex: a request here costs a signature anyway.
// Threads: any. Owns: nothing; the metrics must outlive it. Errors: none.
#pragma once

#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "source/controlplane/ca/refusal.h"
#include "source/telemetry/metrics.h"

namespace kith::controlplane {

class CaMetrics {
 public:
  explicit CaMetrics(telemetry::Metrics& metrics);
  CaMetrics(const CaMetrics&) = delete;
  CaMetrics& operator=(const CaMetrics&) = delete;

  // kNone: the token was good.
  void CountTokenCheck(Refusal refusal);
  // kNone: a certificate was issued.
  void CountRequest(Refusal refusal, absl::Duration took);
  // When the roots' last and the signing certificate's chain end.
  void SetNotAfter(absl::Time root, absl::Time signer);

 private:
  std::mutex mutex_;
  telemetry::Shard& shard_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace kith::controlplane
