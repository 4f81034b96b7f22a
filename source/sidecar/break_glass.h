// Break-glass: for a limited time the workload keeps serving although certificates cannot be had.
// Connections outlive their certificates, and a peer whose certificate has ended passes if
// everything else about it is right. Off unless the bootstrap permits it and no TrustPolicy forbids
// it; every start and end is a log line with who and why.
// Threads: the loop's. Owns: its timer. Loop, identity and metrics shard are borrowed and outlive
// it. Errors: Start() says what does not permit it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/identity/manager.h"
#include "source/telemetry/metrics.h"

namespace kith::sidecar {

class BreakGlass {
 public:
  struct Options {
    bool permitted = false;                         // By the bootstrap.
    absl::Duration longest = absl::Hours(1);        // Of one; at most 24 h.
    absl::Duration ended_before = absl::Hours(24);  // How long ago a certificate may have ended.
    const base::Clock* clock = &base::Clock::System();
    telemetry::Shard* metrics = nullptr;  // None counts nothing.
  };
  struct Request {
    absl::Duration time;
    std::string reason;  // For the audit; required.
    std::string who;     // Likewise, as the caller says.
  };

  BreakGlass(event::Loop& loop, identity::Manager& identity, Options options);

  // One that is active is replaced.
  absl::Status Start(Request request);
  // `who` as in a request. Without one that is active, nothing happens.
  void End(absl::string_view who);

  bool active() const { return until_ > absl::InfinitePast(); }
  // {"permitted": …, "active": …, …}
  std::string Json() const;

 private:
  void Close(absl::string_view why, absl::string_view who);
  void Show() const;

  identity::Manager& identity_;
  const Options options_;
  event::Timer timer_;
  Request request_;
  absl::Time started_ = absl::InfinitePast();
  absl::Time until_ = absl::InfinitePast();
};

}  // namespace kith::sidecar
