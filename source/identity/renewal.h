// When a certificate is renewed, and when a failed renewal is tried again. Pure arithmetic on the
// wall clock, which may jump: a wait that could not have been scheduled is over.
// Threads: one. Owns: nothing. Errors: none.
#pragma once

#include <functional>

#include "absl/time/time.h"

namespace kith::identity {

class Renewal {
 public:
  // Uniform in [0, 1).
  using Random = std::function<double()>;

  explicit Renewal(Random random) : random_(std::move(random)) {}

  // A certificate came at `now` and ends at `not_after`: due at half of what is left, ± 5 % of it,
  // so that sidecars started together do not renew together. Counted from its arrival because
  // authorities back-date certificates.
  void Succeeded(absl::Time now, absl::Time not_before, absl::Time not_after);
  // Full jitter: anywhere below a ceiling that doubles with every failure.
  void Failed(absl::Time now);
  void DueNow(absl::Time now);
  // The authority is there again: what is overdue is tried within a quarter of the time that is
  // left, at most 30 s, so that those who waited do not all come at once. At once without a valid
  // certificate.
  void SpreadOverdue(absl::Time now);
  // Due within a quarter of the lifetime, at most 10 s from now, spread evenly so that a change
  // that all sidecars hear of at once is no stampede. Later than what is due already: nothing.
  void BringForward(absl::Time now);

  // Also true when the clock was set back so far that the wait cannot be right.
  bool IsDue(absl::Time now) const;
  // The certificate ought to be renewed by now, and it was not.
  bool IsOverdue(absl::Time now) const;
  absl::Time due() const { return due_; }

  // The longest wait between two attempts: an eighth of the lifetime within [0.5 s, 30 s]; 4 s
  // where little time is left, so that the return of the authority is noticed soon.
  absl::Duration LongestWait(absl::Time now) const;
  // The first ceiling: a sixteenth of the lifetime, at most 4 s. There is no hurry at half of a
  // life, and whoever fails in the second of a restart is not to come back in the next one.
  absl::Duration FirstWait() const;
  // How often a clock that may jump is to be asked: a fiftieth of the lifetime, at most 1 s.
  absl::Duration CheckInterval() const;

 private:
  Random random_;
  absl::Time received_ = absl::InfinitePast();  // Infinite: there is no certificate yet.
  absl::Time not_before_ = absl::InfinitePast();
  absl::Time not_after_ = absl::InfinitePast();
  absl::Time renew_at_ = absl::InfinitePast();
  absl::Time due_ = absl::InfinitePast();
  absl::Duration wait_;  // What was scheduled last.
  int failures_ = 0;     // In a row.
};

}  // namespace kith::identity
