// One moment by which something must have happened, moved many times a second at no cost: setting
// it stores a number, and the timer behind it wakes only when an earlier one has passed. Threads:
// the loop's. Owns: its timer. Errors: none.
#pragma once

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::proxy {

class Deadline {
 public:
  Deadline(event::Loop& loop, absl::AnyInvocable<void()> passed);
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Zero or less, and infinity, mean never.
  void Set(absl::Duration from_now);
  void Clear() { at_ms_ = kNever; }

 private:
  static constexpr uint64_t kNever = UINT64_MAX;
  void Wake();

  event::Loop& loop_;
  absl::AnyInvocable<void()> passed_;
  event::Timer timer_;
  uint64_t at_ms_ = kNever;
  uint64_t wakes_ms_ = kNever;  // When the timer fires; kNever while it is stopped.
};

}  // namespace kith::proxy
