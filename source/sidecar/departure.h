// How a sidecar leaves the mesh: first nobody is sent to it any more, then what is in flight is
// finished, then the loop stops.
// Threads: the loop's. Owns: its timers. The client, the workers and the loop are borrowed and
// outlive it.
// Errors: none; each step is given up after its time.
#pragma once

#include "absl/time/time.h"
#include "source/control/discovery_client.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/sidecar/workers.h"

namespace kith::sidecar {

class Departure {
 public:
  // `drain` bounds the time for what is in flight.
  Departure(event::Loop& loop, control::DiscoveryClient& discovery, Workers& workers,
            absl::Duration drain);

  void Begin();
  bool begun() const { return step_ != Step::kNone; }

 private:
  enum class Step { kNone, kGoodbye, kSettle, kDrain, kCutOff };

  void Settle();
  void Drain();
  void CutOff();
  void Next();  // The present step's time is over.

  event::Loop& loop_;
  control::DiscoveryClient& discovery_;
  Workers& workers_;
  const absl::Duration drain_;
  Step step_ = Step::kNone;
  event::Timer timer_;
};

}  // namespace kith::sidecar
