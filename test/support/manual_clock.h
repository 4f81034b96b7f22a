// A clock that stands still until a test moves it.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include <mutex>

#include "absl/time/time.h"
#include "source/base/clock.h"

namespace kith::test {

class ManualClock final : public base::Clock {
 public:
  // 2026-01-02T03:04:05Z unless told otherwise.
  explicit ManualClock(absl::Time now = absl::FromUnixSeconds(1767323045)) : now_(now) {}

  absl::Time Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void Set(absl::Time now) {
    std::lock_guard lock(mutex_);
    now_ = now;
  }
  void Advance(absl::Duration by) {
    std::lock_guard lock(mutex_);
    now_ += by;
  }

 private:
  mutable std::mutex mutex_;
  absl::Time now_;  // Under mutex_.
};

}  // namespace kith::test
