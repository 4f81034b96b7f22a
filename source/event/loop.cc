#include "source/event/loop.h"

#include <csignal>
#include <utility>

#include "source/base/check.h"
#include "source/event/uv_error.h"

namespace kith::event {
namespace {

// Large enough to make system calls rare, small enough that what is read is still in the
// processor's cache when it is sent on. What is read whole, and an HTTP/2 frame's head before it,
// fills whole TLS records.
constexpr size_t kScratchSize = size_t{128} * 1024 - 64;

// How often the end-of-turn list may refill itself before the loop looks for events again, so that
// two streams feeding each other cannot starve the rest.
constexpr int kMaxPasses = 16;

absl::Span<uint8_t> Allocated(std::unique_ptr<uint8_t[]>& scratch) {
  if (scratch == nullptr) scratch = std::make_unique_for_overwrite<uint8_t[]>(kScratchSize);
  return absl::MakeSpan(scratch.get(), kScratchSize);
}

}  // namespace

EndOfTurn::~EndOfTurn() {
  if (scheduled_on_ != nullptr) scheduled_on_->Unlink(*this);
}

Loop::Loop() = default;

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create() {
  // A peer that goes away while it is written to is an error of that write, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  auto loop = std::unique_ptr<Loop>(new Loop);
  constexpr absl::string_view kHint = "is the limit of open files (ulimit -n) high enough?";
  if (int error = uv_loop_init(&loop->uv_); error != 0) {
    return UvError(error, "create an event loop", kHint);
  }
  int error = uv_async_init(&loop->uv_, &loop->wakeup_, [](uv_async_t* handle) noexcept {
    static_cast<Loop*>(handle->data)->RunPosted();
  });
  if (error != 0) {
    uv_loop_close(&loop->uv_);
    return UvError(error, "create the wake-up of an event loop", kHint);
  }
  loop->initialized_ = true;
  uv_check_init(&loop->uv_, &loop->check_);
  uv_prepare_init(&loop->uv_, &loop->prepare_);
  loop->wakeup_.data = loop->check_.data = loop->prepare_.data = loop.get();
  // After the events of a turn; and before waiting, for what timers and close callbacks scheduled.
  uv_check_start(&loop->check_, [](uv_check_t* handle) noexcept {
    static_cast<Loop*>(handle->data)->FinishTurn();
  });
  uv_prepare_start(&loop->prepare_, [](uv_prepare_t* handle) noexcept {
    static_cast<Loop*>(handle->data)->FinishTurn();
  });
  for (uv_handle_t* own : {reinterpret_cast<uv_handle_t*>(&loop->wakeup_),
                           reinterpret_cast<uv_handle_t*>(&loop->check_),
                           reinterpret_cast<uv_handle_t*>(&loop->prepare_)}) {
    uv_unref(own);
  }
  return loop;
}

Loop::~Loop() {
  if (!initialized_) return;
  // What is destroyed here may doom or post more, and a socket gets its last chance to send.
  for (bool more = true; more;) {
    DropPosted();
    FinishTurn();
    std::lock_guard lock(mutex_);
    more = !posted_.empty() || !doomed_.empty();
  }
  while (!lingering_.empty()) {
    Lingering* object = *lingering_.begin();
    lingering_.erase(lingering_.begin());
    object->Abandon();
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&wakeup_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
  uv_walk(
      &uv_,
      [](uv_handle_t* handle, void*) noexcept {
        KITH_CHECK(uv_is_closing(handle), "a timer, stream or other handle outlives its loop");
      },
      nullptr);
  uv_run(&uv_, UV_RUN_DEFAULT);
  KITH_CHECK(uv_loop_close(&uv_) == 0, "a handle was made while its loop was destroyed");
  KITH_CHECK(first_ == nullptr, "end-of-turn work outlives its loop");
}

void Loop::Run() {
  KITH_CHECK(!running_, "a loop is run inside itself");
  running_ = true;
  // Keeps the loop waiting for messages when nothing else is active.
  uv_ref(reinterpret_cast<uv_handle_t*>(&wakeup_));
  uv_run(&uv_, UV_RUN_DEFAULT);
  uv_unref(reinterpret_cast<uv_handle_t*>(&wakeup_));
  running_ = false;
}

bool Loop::RunOnce() {
  KITH_CHECK(!running_, "a loop is run inside itself");
  running_ = true;
  // Without an active handle libuv would skip the turn.
  uv_ref(reinterpret_cast<uv_handle_t*>(&wakeup_));
  uv_run(&uv_, UV_RUN_NOWAIT);
  uv_unref(reinterpret_cast<uv_handle_t*>(&wakeup_));
  running_ = false;
  return uv_loop_alive(&uv_) != 0;
}

void Loop::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  uv_async_send(&wakeup_);
}

void Loop::Post(absl::AnyInvocable<void()> work) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  // Otherwise a wake-up is already on its way.
  if (first) uv_async_send(&wakeup_);
}

void Loop::RunPosted() {
  std::vector<absl::AnyInvocable<void()>> posted;
  bool stopping;
  {
    std::lock_guard lock(mutex_);
    posted.swap(posted_);
    stopping = std::exchange(stopping_, false);
  }
  for (absl::AnyInvocable<void()>& work : posted) {
    work();
    work = nullptr;  // What it holds goes before the next runs.
  }
  if (stopping) uv_stop(&uv_);
}

void Loop::DropPosted() {
  std::vector<absl::AnyInvocable<void()>> posted;
  std::lock_guard lock(mutex_);
  posted.swap(posted_);
  // Destroyed without the lock (declared before it): what the work holds may post in its
  // destructor.
}

void Loop::AtEndOfTurn(EndOfTurn& work) {
  if (work.scheduled_on_ != nullptr) {
    KITH_CHECK(work.scheduled_on_ == this, "end-of-turn work moves between loops");
    return;
  }
  work.scheduled_on_ = this;
  work.previous_ = last_;
  work.next_ = nullptr;
  (last_ == nullptr ? first_ : last_->next_) = &work;
  last_ = &work;
  ++scheduled_;
}

void Loop::Unlink(EndOfTurn& work) {
  (work.previous_ == nullptr ? first_ : work.previous_->next_) = work.next_;
  (work.next_ == nullptr ? last_ : work.next_->previous_) = work.previous_;
  work.previous_ = nullptr;
  work.next_ = nullptr;
  work.scheduled_on_ = nullptr;
  --scheduled_;
}

void Loop::DeleteLater(std::unique_ptr<Deletable> object) { doomed_.push_back(std::move(object)); }

void Loop::FinishTurn() {
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    if (first_ == nullptr && doomed_.empty()) return;
    for (size_t left = scheduled_; left > 0 && first_ != nullptr; --left) {
      EndOfTurn& work = *first_;
      Unlink(work);
      work.OnEndOfTurn();
    }
    if (first_ != nullptr) continue;
    std::vector<std::unique_ptr<Deletable>> doomed;
    doomed.swap(doomed_);
  }
  // The rest goes into the next turn, which must not wait for anything first.
  if (first_ != nullptr || !doomed_.empty()) uv_async_send(&wakeup_);
}

void Loop::Linger(Lingering& object) { lingering_.insert(&object); }

void Loop::StopLingering(Lingering& object) { lingering_.erase(&object); }

uint64_t Loop::NowMs() const { return uv_now(&uv_); }

absl::Span<uint8_t> Loop::read_scratch() {
  KITH_CHECK(!read_scratch_lent_, "the read scratch is lent while its bytes are still in use");
  read_scratch_lent_ = true;
  return Allocated(read_scratch_);
}

void Loop::ReturnReadScratch() { read_scratch_lent_ = false; }

absl::Span<uint8_t> Loop::plaintext_scratch() { return Allocated(plaintext_scratch_); }

}  // namespace kith::event
