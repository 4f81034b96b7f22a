#include "source/proxy/deadline.h"

#include <utility>

namespace kith::proxy {

Deadline::Deadline(event::Loop& loop, absl::AnyInvocable<void()> passed)
    : loop_(loop), passed_(std::move(passed)), timer_(loop, [this] { Wake(); }) {}

void Deadline::Set(absl::Duration from_now) {
  if (from_now <= absl::ZeroDuration() || from_now == absl::InfiniteDuration()) {
    at_ms_ = kNever;
    return;
  }
  at_ms_ = loop_.NowMs() + static_cast<uint64_t>(absl::ToInt64Milliseconds(from_now)) + 1;
  if (at_ms_ >= wakes_ms_) return;  // The timer wakes before that and looks again.
  wakes_ms_ = at_ms_;
  timer_.Start(from_now);
}

void Deadline::Wake() {
  wakes_ms_ = kNever;
  if (at_ms_ == kNever) return;
  const uint64_t now = loop_.NowMs();
  if (now >= at_ms_) {
    at_ms_ = kNever;
    passed_();
    return;
  }
  wakes_ms_ = at_ms_;
  timer_.Start(absl::Milliseconds(static_cast<int64_t>(at_ms_ - now)));
}

}  // namespace kith::proxy
