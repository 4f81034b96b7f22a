// Delta xDS over gRPC: carries streams to the hub, and nothing more.
// Threads: gRPC calls it on its own; everything reaches the hub through the loop. A stream is read
// only while nothing is being written to it, so a client that does not read cannot make responses
// pile up.
// Owns: nothing but its streams, which end when the server is shut down. Loop and hub are borrowed:
// the server must be gone before them.
// Errors: a stream whose caller is not authenticated ends at once with UNAUTHENTICATED and the
// reason.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>

#include "absl/status/statusor.h"
#include "envoy/service/discovery/v3/discovery.grpc.pb.h"
#include "source/controlplane/distribution/hub.h"
#include "source/event/loop.h"

namespace kith::controlplane {

class DiscoveryService
    : public envoy::service::discovery::v3::AggregatedDiscoveryService::CallbackService {
 public:
  // Called on gRPC's threads, several at once.
  using Authenticate = std::function<absl::StatusOr<Caller>(const grpc::CallbackServerContext&)>;

  DiscoveryService(event::Loop& loop, Hub& hub, Authenticate authenticate)
      : loop_(loop), hub_(hub), authenticate_(std::move(authenticate)) {}

  grpc::ServerBidiReactor<Subscription::Request, Subscription::Response>* DeltaAggregatedResources(
      grpc::CallbackServerContext* context) override;

 private:
  event::Loop& loop_;
  Hub& hub_;
  const Authenticate authenticate_;
};

}  // namespace kith::controlplane
