// Gives memory back to the system when a burst is over: the C library keeps what was freed, so that
// an evening's idle sidecar would hold the noon's peak. It looks every second, and acts only
// when the process is calm (a tenth of a core) and larger than it once was: returning takes
// milliseconds. As it cannot know what is still in use, it tries again ever more rarely until the
// process has been busy once more.
// Threads: the loop's.
// Owns: its timer. Errors: none; where the kernel does not tell the sizes, nothing is returned.
#pragma once

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::sidecar {

class MemoryReturn {
 public:
  // What a process has used of its machine.
  struct Usage {
    absl::Duration cpu;         // Since its start, by all threads.
    size_t resident_bytes = 0;  // Zero: not known.
  };
  struct Options {
    absl::AnyInvocable<Usage()> usage;
    // Gives everything back and calls `done` on the loop.
    absl::AnyInvocable<void(absl::AnyInvocable<void()> done)> give_back;
  };

  static constexpr absl::Duration kInterval = absl::Seconds(1);
  static constexpr double kCalm = 0.1;  // Of a core.
  static constexpr size_t kGrowth = size_t{4} << 20;
  static constexpr int kLongestPause = 128;  // Looks.

  MemoryReturn(event::Loop& loop, Options options);

  // What the timer does.
  void Look();

 private:
  Options options_;
  event::Timer timer_;
  absl::Duration last_cpu_;
  size_t floor_ = 0;  // The smallest size seen.
  int pause_ = 0;     // How many looks pass before it may act again.
  int next_pause_ = 1;
  bool giving_back_ = false;
};

// Of this process, from the kernel.
MemoryReturn::Usage ProcessUsage();

}  // namespace kith::sidecar
