// The way to an endpoint for opaque bytes: a stream of its link where both ends are Kith, else a
// connection of its own. What the far end has not looked at is asked again; nothing was sent yet.
// Threads: the worker's loop. Owns: the stream until it is handed over.
// Errors: Opened::status and a reason; FAILED_PRECONDITION when the far end has refused the peer
// rather than failed, so that another endpoint would do no better.
#pragma once

#include <memory>

#include "source/proxy/endpoint.h"
#include "source/proxy/tunnel_stream.h"

namespace kith::proxy {

class TunnelOpening final : public event::Deletable, private TunnelStream::Opener {
 public:
  struct Opened {
    absl::Status status;
    telemetry::Reason reason = telemetry::Reason::kNone;
    std::unique_ptr<net::Stream> stream;  // Set when the status is OK; not yet reading.
    std::shared_ptr<const ConnectionFacts> facts;
  };
  using Done = absl::AnyInvocable<void(Opened)>;

  // Calls `done` once, never before Start() returns. Destroying it abandons the attempt; inside
  // `done` it goes to Loop::DeleteLater() instead.
  TunnelOpening(WorkerState& worker, std::shared_ptr<Endpoint> endpoint, Done done);
  void Start();

 private:
  // TunnelStream::Opener
  void OnAnswered(int status) override;
  void OnUnanswered(telemetry::Reason reason, const std::string& detail) override;

  void OnConnection(Endpoint::Connection connection);
  // False when the link can take no more of them.
  bool Ask(Http2Upstream& link);
  void Repeat(telemetry::Reason reason, absl::string_view detail);
  void Fail(absl::Status status, telemetry::Reason reason);
  void Tell(Opened opened);

  WorkerState& worker_;
  const std::shared_ptr<Endpoint> endpoint_;
  Done done_;
  Deadline deadline_;
  std::unique_ptr<event::Deletable> waiting_;  // For a connection.
  std::unique_ptr<TunnelStream> stream_;
  std::shared_ptr<const ConnectionFacts> facts_;
  int repeats_ = 0;
};

}  // namespace kith::proxy
