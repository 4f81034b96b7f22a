// Turns a loop until something has happened, sleeping between events as the program does.
// Threads: the loop's. Owns: nothing.
// Errors: false when it has not happened within the limit of real time.
#pragma once

#include <uv.h>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::test {

inline bool RunUntil(event::Loop& loop, absl::FunctionRef<bool()> happened,
                     absl::Duration limit = absl::Seconds(30)) {
  absl::Time deadline = absl::Now() + limit;
  // One turn can fire a timer and then wait for the next event, so there is always one soon.
  event::Timer tick(loop, [] {});
  tick.StartRepeating(absl::Milliseconds(5));
  while (!happened()) {
    if (absl::Now() > deadline) return false;
    uv_run(loop.uv(), UV_RUN_ONCE);
  }
  return true;
}

}  // namespace kith::test
