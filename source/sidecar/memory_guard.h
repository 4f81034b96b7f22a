// Sheds load before the process has used up the memory it may have, as the kernel would then end it
// with every connection. Above the first mark inbound requests are refused; above the second one
// inbound connections are, and those there are drain; where either has not helped for a while, as
// somebody holds the memory, they are broken off. Each mark has a lower one below which it is over.
// Threads: the loop's.
// Owns: its timer. Errors: none; where the kernel does not tell the size, nothing is shed.
#pragma once

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/proxy/worker.h"
#include "source/telemetry/metrics.h"

namespace kith::sidecar {

class MemoryGuard {
 public:
  struct Options {
    uint64_t limit_bytes = 0;                               // Zero: nothing is watched.
    absl::AnyInvocable<uint64_t()> resident_bytes;          // Zero: not known.
    absl::AnyInvocable<void(proxy::MemoryPressure)> apply;  // Once per change.
    absl::AnyInvocable<void()> break_off;
    // Gives back what is held and not used; calls `done` on the loop.
    absl::AnyInvocable<void(absl::AnyInvocable<void()> done)> give_back;
    telemetry::Shard* metrics = nullptr;
    const base::Clock* clock = &base::Clock::System();
  };

  // Shares of the limit.
  static constexpr double kShed = 0.80;
  static constexpr double kShedOver = 0.72;
  static constexpr double kRefuse = 0.90;
  static constexpr double kRefuseOver = 0.82;
  static constexpr double kNear = 0.5;  // From here on it looks more often.

  static constexpr absl::Duration kSeldom = absl::Milliseconds(500);
  static constexpr absl::Duration kOften = absl::Milliseconds(50);
  static constexpr absl::Duration kGiveBack = absl::Seconds(1);  // At most so often.
  // Until what peers have opened is broken off.
  static constexpr absl::Duration kShedPatience = absl::Seconds(5);
  static constexpr absl::Duration kRefusePatience = absl::Seconds(3);

  MemoryGuard(event::Loop& loop, Options options);

  // What the timer does.
  void Look();

  uint64_t limit_bytes() const { return options_.limit_bytes; }
  uint64_t resident_bytes() const { return resident_bytes_; }
  proxy::MemoryPressure pressure() const { return pressure_; }

 private:
  proxy::MemoryPressure PressureNow() const;
  void Change(proxy::MemoryPressure pressure);
  void BreakOffWhatHolds(absl::Time now);
  void GiveBack(absl::Time now);

  Options options_;
  event::Timer timer_;
  uint64_t resident_bytes_ = 0;
  proxy::MemoryPressure pressure_ = proxy::MemoryPressure::kNone;
  absl::Time short_since_;     // As the last breaking off.
  absl::Time refusing_since_;  // Likewise.
  absl::Time gave_back_at_ = absl::InfinitePast();
  bool giving_back_ = false;
};

}  // namespace kith::sidecar
