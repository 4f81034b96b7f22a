// A random moment until something is tried again: all of them drawn from the whole of a time that
// doubles, so that what failed together does not come back together.
// Threads: the loop's. Owns: its timer; destroying it abandons the wait. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::proxy {

class Backoff final : public event::Deletable {
 public:
  // Before the first retry, and the most that doubling makes of it.
  static constexpr absl::Duration kFirst = absl::Milliseconds(25);
  static constexpr absl::Duration kLongest = absl::Milliseconds(250);

  // `retry`: 1 for the first. `drawn`: uniform between 0 and 1.
  static absl::Duration Wait(uint32_t retry, double drawn) {
    return drawn * std::min(kFirst * (int64_t{1} << std::min(retry - 1, 8U)), kLongest);
  }

  Backoff(event::Loop& loop, absl::Duration wait, absl::AnyInvocable<void()> over)
      : timer_(loop, std::move(over)) {
    timer_.Start(wait);
  }

 private:
  event::Timer timer_;
};

}  // namespace kith::proxy
