// A timer on a loop.
// Threads: the loop's. Owns: its uv handle, closed when the timer is destroyed; the callback never
// fires after that. It may be destroyed, restarted or stopped inside its own callback.
// Errors: none.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "source/event/loop.h"

namespace kith::event {

class Timer {
 public:
  Timer(Loop& loop, absl::AnyInvocable<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Fires once after `delay` (rounded up to a millisecond), replacing an earlier start.
  void Start(absl::Duration delay);
  void StartRepeating(absl::Duration interval);
  void Stop();
  bool active() const;

 private:
  struct State;
  State* state_;  // Freed by its close callback.
};

}  // namespace kith::event
