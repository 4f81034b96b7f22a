#include "source/sidecar/grpc_health.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace kith::sidecar {

namespace health = ::grpc::health::v1;

struct GrpcHealth::Call {
  grpc::ClientContext context;
  health::HealthCheckRequest request;
  health::HealthCheckResponse response;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<health::Health::Stub> stub;
  Done done;
};

struct GrpcHealth::Calls {
  std::mutex mutex;  // Guards `pending`.
  std::condition_variable ended;
  absl::flat_hash_set<Call*> pending;
  bool closed = false;  // The loop's.
};

GrpcHealth::GrpcHealth(event::Loop& loop) : loop_(loop), calls_(std::make_shared<Calls>()) {}

GrpcHealth::~GrpcHealth() {
  calls_->closed = true;
  std::unique_lock<std::mutex> lock(calls_->mutex);
  for (Call* call : calls_->pending) call->context.TryCancel();
  // Their callbacks use the loop, so it must not go first.
  calls_->ended.wait(lock, [this] { return calls_->pending.empty(); });
}

void GrpcHealth::Check(uint16_t port, const std::string& service, absl::Duration timeout,
                       Done done) {
  auto* const call = new Call;  // The callback, which is always called, takes it.
  call->done = std::move(done);
  call->request.set_service(service);
  call->context.set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                   gpr_time_from_millis(absl::ToInt64Milliseconds(timeout), GPR_TIMESPAN)));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A probe is a connection of its own, as the kubelet's is.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  call->channel = grpc::CreateCustomChannel(absl::StrCat("ipv4:127.0.0.1:", port),
                                            grpc::InsecureChannelCredentials(), arguments);
  call->stub = health::Health::NewStub(call->channel);
  {
    const std::lock_guard<std::mutex> lock(calls_->mutex);
    calls_->pending.insert(call);
  }
  call->stub->async()->Check(
      &call->context, &call->request, &call->response,
      [loop = &loop_, calls = calls_, call](const grpc::Status& status) {
        absl::Status result;
        if (!status.ok()) {
          result = absl::UnavailableError(status.error_message());
        } else if (call->response.status() != health::HealthCheckResponse::SERVING) {
          result = absl::UnavailableError(absl::StrCat(
              "its status is ",
              health::HealthCheckResponse::ServingStatus_Name(call->response.status())));
        }
        const std::lock_guard<std::mutex> lock(calls->mutex);
        calls->pending.erase(call);
        // The call dies on the loop: a channel that dies on a thread of gRPC waits for itself.
        loop->Post([calls, result, owned = std::unique_ptr<Call>(call)]() mutable {
          if (!calls->closed) owned->done(std::move(result));
        });
        calls->ended.notify_all();
      });
}

}  // namespace kith::sidecar
