// One delta xDS stream as the client's loop sees it; gRPC's threads and their order stay inside.
// Threads: the loop's; events come by message.
// Owns: its gRPC call, which ends before the destructor returns.
// Errors: OnEnd() carries how the stream ended, once, unless it was destroyed first.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "source/event/loop.h"

namespace kith::control {

class DiscoveryStream {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

  // The stream may be destroyed in any of these.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnAccepted() = 0;  // The server took the stream.
    virtual void OnResponse(const Response& response) = 0;
    virtual void OnEnd(const grpc::Status& status) = 0;
  };

  // The channel, loop and handler outlive it.
  DiscoveryStream(event::Loop& loop, const std::shared_ptr<grpc::Channel>& channel,
                  const std::string& token, Handler& handler);
  ~DiscoveryStream();
  DiscoveryStream(const DiscoveryStream&) = delete;
  DiscoveryStream& operator=(const DiscoveryStream&) = delete;

  void Write(Request request);
  // After what was written: nothing more will be.
  void EndWriting();

 private:
  class Reactor;
  struct Link;

  const std::shared_ptr<Link> link_;
  std::unique_ptr<Reactor> reactor_;
};

}  // namespace kith::control
