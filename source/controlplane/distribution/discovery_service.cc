#include "source/controlplane/distribution/discovery_service.h"

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

namespace kith::controlplane {
namespace {

using Request = Subscription::Request;
using Response = Subscription::Response;
using Reactor = grpc::ServerBidiReactor<Request, Response>;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// One stream, seen by the hub as a StreamWriter and by gRPC as a reactor's state. It outlives the
// reactor, whose end it learns of by Detach().
class StreamLink : public StreamWriter {
 public:
  explicit StreamLink(Reactor* reactor) : reactor_(reactor) {}

  // The loop's side.
  Roster::StreamId id = Roster::kNoStream;

  void Write(Response response) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (finishing_) return;
    queue_.push_back(std::move(response));
    Continue();
  }

  void Finish(absl::Status status) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (finishing_) return;
    finishing_ = true;
    final_ = ToGrpc(status);
    Continue();
  }

  void ReadNext() {
    const std::lock_guard<std::mutex> lock(mutex_);
    wants_read_ = true;
    Continue();
  }

  // gRPC's side.
  Request request;  // Being read.

  void OnWriteDone(bool ok) {
    const std::lock_guard<std::mutex> lock(mutex_);
    writing_ = false;
    if (!ok) queue_.clear();
    Continue();
  }

  void Detach() {
    const std::lock_guard<std::mutex> lock(mutex_);
    reactor_ = nullptr;
  }

 private:
  // gRPC never calls back from inside Start...(), so the lock may be held over it; and it must be,
  // because the reactor dies after Finish().
  void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (reactor_ == nullptr || finished_ || writing_) return;
    if (!queue_.empty()) {
      writing_ = true;
      current_ = std::move(queue_.front());
      queue_.pop_front();
      reactor_->StartWrite(&current_);
    } else if (finishing_) {
      finished_ = true;
      reactor_->Finish(final_);
    } else if (std::exchange(wants_read_, false)) {
      reactor_->StartRead(&request);
    }
  }

  std::mutex mutex_;
  Reactor* reactor_ ABSL_GUARDED_BY(mutex_);
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  Response current_ ABSL_GUARDED_BY(mutex_);
  grpc::Status final_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool wants_read_ ABSL_GUARDED_BY(mutex_) = false;
};

class StreamReactor : public Reactor {
 public:
  StreamReactor(event::Loop& loop, Hub& hub, Caller identity, grpc::CallbackServerContext* context)
      : loop_(loop), hub_(hub), context_(context), link_(std::make_shared<StreamLink>(this)) {
    // A client that holds everything already is sent nothing else, and wants to know it is heard.
    StartSendInitialMetadata();
    // A client that holds everything already gets no response: this tells it that it is connected.
    StartSendInitialMetadata();
    loop_.Post([&hub = hub_, link = link_, identity = std::move(identity),
                peer = context->peer()]() mutable {
      link->id = hub.Open(std::move(identity), std::move(peer), link);
      link->ReadNext();
    });
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      half_closed_ = true;
      link_->Finish(absl::OkStatus());
      return;
    }
    loop_.Post([&hub = hub_, link = link_, request = std::move(link_->request)] {
      hub.OnRequest(link->id, request);
      link->ReadNext();
    });
  }

  void OnWriteDone(bool ok) override { link_->OnWriteDone(ok); }

  void OnCancel() override { link_->Finish(absl::CancelledError("cancelled")); }

  void OnDone() override {
    link_->Detach();
    // A lost connection also ends the reading, but then the call counts as cancelled.
    const bool drained = half_closed_ && !context_->IsCancelled();
    loop_.Post([&hub = hub_, link = link_, drained] {
      hub.OnClosed(link->id, drained ? Roster::Leave::kDrained : Roster::Leave::kLost);
    });
    delete this;
  }

 private:
  event::Loop& loop_;
  Hub& hub_;
  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<StreamLink> link_;
  bool half_closed_ = false;
};

class RefusedReactor : public Reactor {
 public:
  explicit RefusedReactor(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

Reactor* DiscoveryService::DeltaAggregatedResources(grpc::CallbackServerContext* context) {
  auto identity = authenticate_(*context);
  if (!identity.ok()) return new RefusedReactor(identity.status());
  return new StreamReactor(loop_, hub_, *std::move(identity), context);
}

}  // namespace kith::controlplane
