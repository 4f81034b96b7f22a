// Waits between attempts: exponential with full jitter.
// Threads: one. Owns: nothing. Errors: none.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/time/time.h"

namespace kith::control {

class Backoff {
 public:
  // `random` is uniform in [0, 1).
  Backoff(absl::Duration first, absl::Duration longest, std::function<double()> random)
      : first_(first), longest_(longest), random_(std::move(random)) {}

  // Anywhere below a ceiling that doubles with each call since Reset().
  absl::Duration Next() {
    const absl::Duration wait = ceiling_ == absl::ZeroDuration() ? first_ : ceiling_;
    ceiling_ = std::min(wait * 2, longest_);
    return wait * random_();
  }
  void Reset() { ceiling_ = absl::ZeroDuration(); }

 private:
  const absl::Duration first_;
  const absl::Duration longest_;
  const std::function<double()> random_;
  absl::Duration ceiling_;
};

}  // namespace kith::control
