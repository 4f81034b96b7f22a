#include "source/controlplane/keys/fetch_thread.h"

#include <utility>

namespace kith::controlplane {

FetchThread::FetchThread(event::Loop& loop) : loop_(loop), thread_([this] { Work(); }) {}

FetchThread::~FetchThread() {
  *alive_ = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void FetchThread::Ask(Fetch fetch, Done done) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.push_back({std::move(fetch), std::move(done)});
  }
  wake_.notify_one();
}

void FetchThread::Work() {
  while (true) {
    Request request;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
      if (stopping_) return;
      request = std::move(requests_.front());
      requests_.pop_front();
    }
    absl::StatusOr<std::string> answer = request.fetch();
    loop_.Post(
        [alive = alive_, done = std::move(request.done), answer = std::move(answer)]() mutable {
          if (*alive) done(std::move(answer));
        });
  }
}

}  // namespace kith::controlplane
