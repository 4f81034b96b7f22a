#include "source/identity/renewal.h"

#include <algorithm>

namespace kith::identity {
namespace {

constexpr absl::Duration kFirstWait = absl::Milliseconds(500);
constexpr absl::Duration kLongestFirstWait = absl::Seconds(8);
constexpr absl::Duration kLongestWait = absl::Seconds(30);
constexpr absl::Duration kLongestWhenLate = absl::Seconds(4);
constexpr absl::Duration kForwardSpread = absl::Seconds(10);
constexpr absl::Duration kLeastCheck = absl::Milliseconds(10);
constexpr double kJitter = 0.05;

}  // namespace

void Renewal::Succeeded(absl::Time now, absl::Time not_before, absl::Time not_after) {
  received_ = now;
  not_before_ = not_before;
  not_after_ = not_after;
  failures_ = 0;
  wait_ = (not_after - now) * (0.5 + kJitter * (2 * random_() - 1));
  renew_at_ = due_ = now + wait_;
}

void Renewal::Failed(absl::Time now) {
  absl::Duration ceiling = FirstWait();
  const absl::Duration longest = LongestWait(now);
  for (int i = 0; i < failures_ && ceiling < longest; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, longest);
  ++failures_;
  wait_ = ceiling * (HasTime(now) ? 0.5 + 0.5 * random_() : random_());
  due_ = now + wait_;
}

bool Renewal::PutOff(absl::Time now) {
  if (failures_ > 0 || !HasTime(now) || !IsOverdue(now)) return false;
  Failed(now);
  return true;
}

void Renewal::DueNow(absl::Time now) {
  wait_ = absl::ZeroDuration();
  due_ = now;
}

void Renewal::SpreadOverdue(absl::Time now) {
  const absl::Duration left = not_after_ - now;
  if (!IsOverdue(now) || received_ == absl::InfinitePast() || left <= absl::ZeroDuration() ||
      now < not_before_) {
    DueNow(now);
    return;
  }
  wait_ = (now - renew_at_) * (2 + 4 * random_());
  if (wait_ > left / 2) wait_ = left / 2 * random_();
  due_ = now + wait_;
}

void Renewal::BringForward(absl::Time now) {
  if (received_ == absl::InfinitePast()) return;
  const absl::Duration spread =
      std::clamp((not_after_ - received_) / 4, kLeastCheck, absl::Duration(kForwardSpread));
  const absl::Duration wait = spread * random_();
  if (due_ <= now + wait) return;
  wait_ = wait;
  renew_at_ = due_ = now + wait;
}

bool Renewal::IsDue(absl::Time now) const {
  if (now >= due_ || due_ - now > wait_) return true;
  // The clock is before the certificate's beginning: only a new one can be of use.
  return failures_ == 0 && now < not_before_;
}

bool Renewal::IsOverdue(absl::Time now) const { return now >= renew_at_ || now < not_before_; }

absl::Duration Renewal::LongestWait(absl::Time now) const {
  if (received_ == absl::InfinitePast()) return kLongestWhenLate;
  const absl::Duration lifetime = not_after_ - received_;
  const absl::Duration longest = std::clamp(lifetime / 8, kFirstWait, kLongestWait);
  return HasTime(now) ? longest : std::min(longest, kLongestWhenLate);
}

bool Renewal::HasTime(absl::Time now) const {
  return received_ != absl::InfinitePast() && not_after_ - now > (not_after_ - received_) / 4;
}

absl::Duration Renewal::FirstWait() const {
  if (received_ == absl::InfinitePast()) return kFirstWait;
  return std::clamp((not_after_ - received_) / 8, kLeastCheck, kLongestFirstWait);
}

absl::Duration Renewal::CheckInterval() const {
  if (received_ == absl::InfinitePast()) return absl::Milliseconds(100);
  return std::clamp((not_after_ - received_) / 50, kLeastCheck, absl::Duration(absl::Seconds(1)));
}

}  // namespace kith::identity
