// What everything on one worker's loop shares: the loop, the newest settings, counters.
// Threads: the worker's loop. Owns: references to settings; the rest is borrowed and outlives every
// connection. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "source/event/loop.h"
#include "source/proxy/observer.h"
#include "source/proxy/worker.h"
#include "source/ratelimit/limiter.h"
#include "source/tls/live_connections.h"

namespace kith::proxy {

class Authorizers;

struct WorkerState {
  WorkerState(event::Loop& loop_in, const Worker::Options& options_in)
      : loop(loop_in), options(options_in), observer(options_in), limiter(options_in.workers) {}

  // When that share of `validity` has passed, as the loop counts time; never for an infinite one.
  uint64_t AfterShareOf(absl::Duration validity, double share) const {
    if (validity == absl::InfiniteDuration()) return UINT64_MAX;
    const int64_t left_ms = absl::ToInt64Milliseconds(validity * share);
    return loop.NowMs() + static_cast<uint64_t>(std::max<int64_t>(left_ms, 0));
  }

  event::Loop& loop;
  const Worker::Options& options;
  Observer observer;
  std::shared_ptr<const tls::Context> tls;  // Null until the first identity.
  const std::shared_ptr<tls::LiveConnections> live = std::make_shared<tls::LiveConnections>();
  Config config;
  ratelimit::Limiter limiter;
  // What policies and limits read of requests beside what is always there.
  bool reads_headers = false;
  bool reads_certificates = false;
  std::vector<policy::HeaderView> header_views;  // Of the request being judged.
  Authorizers* authorizers = nullptr;            // Of CUSTOM policies; the worker's.
  bool draining = false;                         // Takes nothing new for its application.
  std::vector<std::string> debug_callers;        // SPIFFE IDs; see debug_headers.h.
  MemoryPressure memory = MemoryPressure::kNone;
  absl::InsecureBitGen random;
  std::string scratch;  // For output assembled and written within one call.
  std::string frames;   // Likewise, of Http2Transport, in whose course the other one is used.
};

}  // namespace kith::proxy
