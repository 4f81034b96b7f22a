#include "source/sidecar/departure.h"

#include <algorithm>

#include "source/base/log.h"
#include "source/telemetry/reason_status.h"

namespace kith::sidecar {
namespace {

// For the control plane to end the stream after our good-bye.
constexpr absl::Duration kGoodbyeLimit = absl::Seconds(1);
// For the news to reach the sidecars that send here: they stop before listeners are closed.
constexpr absl::Duration kSettleLimit = absl::Milliseconds(300);

// For the last log lines: a worker that does not answer is not waited for.
constexpr absl::Duration kCutOffLimit = absl::Seconds(1);

}  // namespace

Departure::Departure(event::Loop& loop, control::DiscoveryClient& discovery, Workers& workers,
                     absl::Duration drain)
    : loop_(loop), discovery_(discovery), workers_(workers), drain_(drain), timer_(loop, [this] {
        Next();
      }) {}

void Departure::Begin() {
  if (begun()) return;
  base::Log(base::LogLevel::kInfo, "sidecar", "stopping: leaving the mesh, then draining",
            {{"limit", absl::FormatDuration(drain_)}});
  step_ = Step::kGoodbye;
  timer_.Start(kGoodbyeLimit);
  discovery_.SayGoodbye([this] {
    if (step_ == Step::kGoodbye) Settle();
  });
}

void Departure::Settle() {
  step_ = Step::kSettle;
  timer_.Start(std::min(kSettleLimit, drain_));
}

void Departure::Drain() {
  step_ = Step::kDrain;
  timer_.Start(drain_);
  workers_.Drain([this] { loop_.Stop(); });
}

void Departure::CutOff() {
  step_ = Step::kCutOff;
  timer_.Start(kCutOffLimit);
  workers_.CutOff(telemetry::WithReason(absl::UnavailableError("this sidecar is ending"),
                                        telemetry::Reason::kShuttingDown),
                  [this] { loop_.Stop(); });
}

void Departure::Next() {
  switch (step_) {
    case Step::kNone:
      return;
    case Step::kGoodbye:
      return Settle();
    case Step::kSettle:
      return Drain();
    case Step::kDrain:
      base::Log(base::LogLevel::kWarning, "sidecar",
                "connections were still open at the end of the drain time",
                {{"limit", absl::FormatDuration(drain_)}});
      return CutOff();
    case Step::kCutOff:
      return loop_.Stop();
  }
}

}  // namespace kith::sidecar
