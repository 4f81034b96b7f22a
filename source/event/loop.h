// One libuv loop and what every connection on it shares: the pool of blocks, the read scratch, the
// work done once at the end of a turn, and messages from other threads.
// Threads: Post() and Stop() from any; everything else on the thread that calls Run(), or before
// it. Owns: the uv loop, the pool, the scratch. Whatever was made on it (timers, streams,
// listeners) is destroyed before it; the destructor runs the loop until their close callbacks have
// fired, abandons what still lingers, and aborts if something was left open. Errors: Create()
// reports what libuv could not get (descriptors, memory).
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "source/base/byte_chain.h"

namespace kith::event {

class Loop;

// Something with output to flush once per turn of the loop, however often it was written to.
// Destroying it takes it off the list.
class EndOfTurn {
 public:
  EndOfTurn() = default;
  EndOfTurn(const EndOfTurn&) = delete;
  EndOfTurn& operator=(const EndOfTurn&) = delete;
  virtual ~EndOfTurn();

 protected:
  // It may schedule itself or others again: they run in the same turn.
  virtual void OnEndOfTurn() = 0;

 private:
  friend class Loop;
  // Links of its loop's list while scheduled_on_ is set.
  EndOfTurn* previous_ = nullptr;
  EndOfTurn* next_ = nullptr;
  Loop* scheduled_on_ = nullptr;
};

// Something that outlives its owner for a while, such as a socket still sending its last bytes.
// Destroying the loop ends it early.
class Lingering {
 public:
  virtual void Abandon() = 0;

 protected:
  ~Lingering() = default;
};

// Base of what may be handed to Loop::DeleteLater().
class Deletable {
 public:
  virtual ~Deletable() = default;
};

class Loop {
 public:
  static absl::StatusOr<std::unique_ptr<Loop>> Create();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until Stop(). Call once.
  void Run();
  // Any thread. Run() returns after the current turn; messages posted before it are run.
  void Stop();
  // One turn without blocking: for tests. Returns whether anything is still active.
  bool RunOnce();

  // Any thread. `work` runs on the loop's thread, in the order posted. Work still queued when the
  // loop is destroyed is destroyed without running.
  void Post(absl::AnyInvocable<void()> work);

  // Calls OnEndOfTurn() before the loop next waits for events; a second call in a turn is free.
  void AtEndOfTurn(EndOfTurn& work);

  // Destroys `object` after the end-of-turn work of this turn, outside every callback. The rule for
  // connections: nothing is destroyed inside one of its own callbacks.
  void DeleteLater(std::unique_ptr<Deletable> object);

  // Between these two calls `object` is abandoned if the loop is destroyed.
  void Linger(Lingering& object);
  void StopLingering(Lingering& object);

  // Milliseconds of the loop's monotonic clock, as of the start of this turn or the last timer
  // start.
  uint64_t NowMs() const;

  base::BlockPool& blocks() { return blocks_; }
  // One buffer for all reads of this loop, lent to one reader at a time: what is in it is valid
  // until the reader's callback returns and gives it back. For net/ only.
  absl::Span<uint8_t> read_scratch();
  void ReturnReadScratch();
  // A second one for decrypted bytes, so that TLS can read from the first into it.
  absl::Span<uint8_t> plaintext_scratch();

  uv_loop_t* uv() { return &uv_; }  // For event/ and net/ only.

 private:
  friend class EndOfTurn;

  Loop();
  void FinishTurn();
  void RunPosted();
  void DropPosted();
  void Unlink(EndOfTurn& work);

  uv_loop_t uv_;
  uv_async_t wakeup_;
  uv_check_t check_;
  uv_prepare_t prepare_;
  bool initialized_ = false;
  base::BlockPool blocks_;
  std::unique_ptr<uint8_t[]> read_scratch_;
  std::unique_ptr<uint8_t[]> plaintext_scratch_;
  bool read_scratch_lent_ = false;
  bool running_ = false;
  EndOfTurn* first_ = nullptr;  // What AtEndOfTurn() scheduled, in that order.
  EndOfTurn* last_ = nullptr;
  size_t scheduled_ = 0;
  std::vector<std::unique_ptr<Deletable>> doomed_;
  absl::flat_hash_set<Lingering*> lingering_;
  // Not absl::Mutex: ThreadSanitizer cannot see into the installed library's.
  std::mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_;  // Under mutex_.
  bool stopping_ = false;                           // Under mutex_.
};

}  // namespace kith::event
