// Whose responses tell the decision on their requests (proxy/debug_headers.h): callers that an
// administrator has named, each for a limited time. Every start and end is a log line with who.
// Threads: the loop's. Owns: its timers. The loop and what `apply` refers to outlive it.
// Errors: Start() says what is wrong with what was asked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::sidecar {

class DebugHeaders {
 public:
  static constexpr absl::Duration kLongest = absl::Hours(1);
  static constexpr size_t kMostCallers = 16;

  struct Options {
    // Given all of them, by SPIFFE ID, after each change.
    std::function<void(std::vector<std::string>)> apply;
    const base::Clock* clock = &base::Clock::System();
  };
  struct Request {
    std::string principal;  // With or without "spiffe://".
    absl::Duration time;
    std::string who;  // For the audit, as the caller says.
  };

  DebugHeaders(event::Loop& loop, Options options);

  // One that is named already is named anew.
  absl::Status Start(const Request& request);
  // NOT_FOUND when it is not named.
  absl::Status End(const std::string& principal, absl::string_view who);

  // {"callers": [{"principal", "until", "who"}]}
  std::string Json() const;

 private:
  struct Caller {
    std::unique_ptr<event::Timer> timer;
    absl::Time until;
    std::string who;
  };
  void Remove(const std::string& id, absl::string_view why, absl::string_view who);
  void Apply() const;

  event::Loop& loop_;
  const Options options_;
  std::map<std::string, Caller> callers_;  // By SPIFFE ID.
};

}  // namespace kith::sidecar
