// Wall-clock time behind an interface, so that a test moves it by hand
// (test/support/manual_clock.h). Threads: any. Owns: nothing. Errors: none.
#pragma once

#include "absl/time/time.h"

namespace kith::base {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // The machine's clock; lives as long as the process.
  static const Clock& System();
};

}  // namespace kith::base
