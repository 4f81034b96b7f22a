// Calls back on the loop when the process receives a signal.
// Threads: the loop's. Owns: its uv handle. Errors: Create() when libuv refuses the signal.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/event/loop.h"

namespace kith::event {

class Signal {
 public:
  static absl::StatusOr<std::unique_ptr<Signal>> Create(Loop& loop, int signal_number,
                                                        absl::AnyInvocable<void()> callback);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  struct State;
  explicit Signal(State* state) : state_(state) {}
  State* state_;
};

}  // namespace kith::event
