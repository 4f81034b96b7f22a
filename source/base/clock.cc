#include "source/base/clock.h"

#include "absl/time/clock.h"

namespace kith::base {
namespace {

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace

const Clock& Clock::System() {
  // Never destroyed: threads may ask for the time while the process exits.
  static const Clock& clock = *new SystemClock;
  return clock;
}

}  // namespace kith::base
