// A thread for what blocks: fetches wait here for each other, and their answers come back to the
// loop.
// Threads: the loop's; what is asked for runs on the thread of its own.
// Owns: that thread. The destructor waits for the fetch at hand and calls nobody afterwards. The
// loop outlives it.
// Errors: those of the fetches.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/event/loop.h"

namespace kith::controlplane {

class FetchThread {
 public:
  using Fetch = absl::AnyInvocable<absl::StatusOr<std::string>()>;
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  explicit FetchThread(event::Loop& loop);
  ~FetchThread();
  FetchThread(const FetchThread&) = delete;
  FetchThread& operator=(const FetchThread&) = delete;

  // `fetch` blocks; `done` is called on the loop, never before this returns.
  void Ask(Fetch fetch, Done done);

 private:
  struct Request {
    Fetch fetch;
    Done done;
  };
  void Work();

  event::Loop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request> requests_;  // With the mutex.
  bool stopping_ = false;         // With the mutex.
  std::thread thread_;
};

}  // namespace kith::controlplane
