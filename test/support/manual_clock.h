// A clock that stands still until a test moves it.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "source/base/clock.h"

namespace kith::test {

class ManualClock final : public base::Clock {
 public:
  // 2026-01-02T03:04:05Z unless told otherwise.
  explicit ManualClock(absl::Time now = absl::FromUnixSeconds(1767323045)) : now_(now) {}

  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Set(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    now_ = now;
  }
  void Advance(absl::Duration by) {
    absl::MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kith::test
