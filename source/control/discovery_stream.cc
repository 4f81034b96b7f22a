#include "source/control/discovery_stream.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "envoy/service/discovery/v3/discovery.grpc.pb.h"

namespace kith::control {

using envoy::service::discovery::v3::AggregatedDiscoveryService;

// What both sides share. `handler` is the loop's alone; null once the stream was destroyed.
struct DiscoveryStream::Link {
  explicit Link(event::Loop& loop_in) : loop(loop_in) {}

  event::Loop& loop;
  Handler* handler = nullptr;
  std::atomic<bool> done = false;  // gRPC has finished with the call and with the loop.
};

// A hold keeps the call open while the loop may still start an operation; Close() gives it up.
class DiscoveryStream::Reactor : public grpc::ClientBidiReactor<Request, Response> {
 public:
  Reactor(std::shared_ptr<Link> link, const std::shared_ptr<grpc::Channel>& channel,
          const std::string& token)
      : link_(std::move(link)), stub_(AggregatedDiscoveryService::NewStub(channel)) {
    context_.AddMetadata("authorization", absl::StrCat("Bearer ", token));
    stub_->async()->DeltaAggregatedResources(&context_, this);
    AddHold();
    StartRead(&response_);
    StartCall();
  }

  // The loop's side.
  void Write(Request request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(request));
    Continue();
  }

  void EndWriting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
    Continue();
  }

  void ReadNext() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!closed_) StartRead(&response_);
  }

  void Cancel() {
    context_.TryCancel();
    Close();
  }

  // gRPC's side.
  void OnReadInitialMetadataDone(bool ok) override {
    if (!ok) return;
    link_->loop.Post([link = link_] {
      if (link->handler != nullptr) link->handler->OnAccepted();
    });
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Close();
      return;
    }
    // Nothing is read meanwhile, so a server that sends faster than it is understood waits.
    link_->loop.Post([this, link = link_, response = std::move(response_)] {
      if (link->handler != nullptr) link->handler->OnResponse(response);
      // The handler is gone when the stream is, and this with it.
      if (link->handler != nullptr) ReadNext();
    });
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    writing_ = false;
    if (!ok) queue_.clear();
    Continue();
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<Link> link = link_;
    link->loop.Post([link, status] {
      if (link->handler != nullptr) link->handler->OnEnd(status);
    });
    link->done = true;  // Whoever waits for it may delete this now.
    link->done.notify_all();
  }

 private:
  // gRPC never calls back from inside Start...(), so the lock may be held over it.
  void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (closed_ || writing_) return;
    if (!queue_.empty()) {
      writing_ = true;
      current_ = std::move(queue_.front());
      queue_.pop_front();
      StartWrite(&current_);
    } else if (ending_ && !ended_) {
      ended_ = true;
      StartWritesDone();
    }
  }

  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!std::exchange(closed_, true)) RemoveHold();
  }

  const std::shared_ptr<Link> link_;
  const std::unique_ptr<AggregatedDiscoveryService::Stub> stub_;
  grpc::ClientContext context_;
  Response response_;
  std::mutex mutex_;
  std::deque<Request> queue_ ABSL_GUARDED_BY(mutex_);
  Request current_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

DiscoveryStream::DiscoveryStream(event::Loop& loop, const std::shared_ptr<grpc::Channel>& channel,
                                 const std::string& token, Handler& handler)
    : link_(std::make_shared<Link>(loop)) {
  link_->handler = &handler;
  reactor_ = std::make_unique<Reactor>(link_, channel, token);
}

DiscoveryStream::~DiscoveryStream() {
  link_->handler = nullptr;
  reactor_->Cancel();
  link_->done.wait(false);
}

void DiscoveryStream::Write(Request request) { reactor_->Write(std::move(request)); }

void DiscoveryStream::EndWriting() { reactor_->EndWriting(); }

}  // namespace kith::control
