// One connection of an embedded server: reads a request, waits for its answer, writes it, goes on.
// Threads: the loop's. Never destroyed inside one of its own callbacks.
// Owns: the stream and the request being read; the server's limits and handler are borrowed.
// Errors: bad requests are answered and end the connection; its host learns of every end, once.
#pragma once

#include <memory>
#include <string>

#include "source/event/timer.h"
#include "source/http/embedded_server.h"
#include "source/http/http1_parser.h"
#include "source/net/stream.h"

namespace kith::http {

class EmbeddedConnection : public event::Deletable,
                           private net::StreamHandler,
                           private Http1Handler {
 public:
  // What it needs of its server, which outlives it.
  class Host {
   public:
    virtual ~Host() = default;
    virtual void Handle(const EmbeddedRequest& request, EmbeddedResponder responder) = 0;
    // The connection is over: to be handed to Loop::DeleteLater().
    virtual void OnConnectionOver(EmbeddedConnection& connection) = 0;
  };

  EmbeddedConnection(const EmbeddedServer::Options& options, Host& host,
                     std::unique_ptr<net::Stream> stream);
  ~EmbeddedConnection() override;

  void Start();

 private:
  friend class EmbeddedResponder;

  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status status) override;
  void OnDrained() override;

  void OnRequestHead(const RequestHead& head) override;
  void OnBody(absl::Span<const uint8_t> bytes) override;
  void OnMessageComplete() override;

  void Process(absl::Span<const uint8_t> bytes);
  void ProcessPending();
  void Dispatch();
  void Answer(const EmbeddedResponse& response);
  void Write(const EmbeddedResponse& response);
  void Refuse(int status, absl::string_view message);
  void OnTimeout();
  void Finish();

  const EmbeddedServer::Options& options_;
  Host& host_;
  std::unique_ptr<net::Stream> stream_;
  event::Timer timer_;
  Http1Parser parser_;
  EmbeddedRequest request_;
  std::shared_ptr<EmbeddedResponder::Link> link_;  // While an answer is awaited.
  std::string pending_;                            // Arrived while it was.
  int refused_status_ = 0;                         // Found wrong inside the parser's callbacks.
  absl::string_view refused_message_;
  size_t output_at_last_check_ = 0;
  bool head_only_ = false;
  bool keep_alive_ = false;
  bool complete_ = false;    // A whole request is in request_.
  bool processing_ = false;  // Process() is on the stack.
  bool ended_ = false;       // The peer sends no more.
  bool over_ = false;
};

}  // namespace kith::http
