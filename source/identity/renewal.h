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
  // Anywhere below a ceiling that doubles with every failure; in its upper half while there is
  // time, so that after an outage most who wait hear of the authority's return (SpreadOverdue)
  // before they would have found out by trying, all within seconds.
  void Failed(absl::Time now);
  // It is due, and the authority seems to be away: waits as after a failure and says true. Only
  // once, and only while there is time; after that it is to be tried whatever is known.
  bool PutOff(absl::Time now);
  void DueNow(absl::Time now);
  // The authority is there again. What is late by d is tried between 2 d and 6 d from now: what a
  // mesh put off during an outage is so worked off at about a quarter of the rate it gathered at,
  // beside what falls due meanwhile, however long the outage was and without anybody having to
  // know. Never later than half of the time that is left; at once without a valid certificate.
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
  // where a quarter is left or less, so that the return of the authority is noticed soon.
  absl::Duration LongestWait(absl::Time now) const;
  // The first ceiling: an eighth of the lifetime, at most 8 s. There is no hurry at half of a
  // life, and whoever fails in the second of a restart is not to come back in the next one.
  absl::Duration FirstWait() const;
  // How often a clock that may jump is to be asked: a fiftieth of the lifetime, at most 1 s.
  absl::Duration CheckInterval() const;

 private:
  // A certificate with more than a quarter of its life before it.
  bool HasTime(absl::Time now) const;

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
