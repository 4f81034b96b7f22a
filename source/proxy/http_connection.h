// A downstream HTTP/1.1 connection: parses requests one after another, has each one routed, and
// carries it to an upstream and the response back, with back-pressure both ways.
// Threads: the worker's loop. Owns: the stream and the exchange in flight.
// Errors: a malformed request is answered and the connection closed; a failed upstream is answered
// with 502, 503 or 504 without detail, or, once the response has begun, by a reset.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "source/http/http1_parser.h"
#include "source/net/stream.h"
#include "source/policy/policy_set.h"
#include "source/proxy/deadline.h"
#include "source/proxy/endpoint.h"
#include "source/proxy/exchange.h"

namespace kith::proxy {

// What became of one request, for metrics and the access log. The views die with the callback.
struct RequestRecord {
  absl::Time started;
  absl::Duration duration;
  const StoredRequest* request = nullptr;  // Null when no sound head was received.
  std::string host;
  std::string request_id;
  int status = 0;  // Sent downstream; 0 when none was.
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  bool decided = false;  // A policy decision was made.
  bool allowed = false;
  std::string policy;
  int rule = -1;
  telemetry::Reason reason = telemetry::Reason::kNone;
  std::string detail;                         // For logs only.
  const Endpoint* endpoint = nullptr;         // Where it went, if anywhere.
  const ConnectionFacts* upstream = nullptr;  // Of the connection it went over.
};

class HttpConnection final : private net::StreamHandler,
                             private http::Http1Handler,
                             private ResponseSink {
 public:
  // The session around the connection: policy, destination, observation.
  class Session {
   public:
    virtual ~Session() = default;
    // Decides a request: fills `out`, and returns 0 to forward it, else the status to refuse it
    // with, the reason in `record`.
    virtual int Route(const http::RequestHead& head, StoredRequest& out, RequestRecord& record) = 0;
    // Where to send it; none of `tried`. Null when nothing is left; the reason is then in `record`,
    // unless an earlier attempt has left one there.
    virtual std::shared_ptr<Endpoint> Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                             RequestRecord& record) = 0;
    virtual void OnRequestDone(const RequestRecord& record) = 0;
    // The connection is closed. The session goes to Loop::DeleteLater().
    virtual void OnConnectionDone() = 0;
  };

  // `validity`: how long the connection may take requests at all; infinite without certificates.
  HttpConnection(WorkerState& worker, Session& session, std::unique_ptr<net::Stream> stream,
                 absl::Duration validity);

  // Starts reading. `first_bytes` were read before the connection was there.
  void Start(absl::Span<const uint8_t> first_bytes);
  // Closes when idle, now or after the exchange in flight.
  void StartDraining();
  void Abort();

 private:
  enum class Phase : uint8_t {
    kIdle,        // Between requests.
    kDialing,     // A request's head is here, its connection is not.
    kForwarding,  // The exchange goes over leg_.
    kAnswered,    // Answered from here; the rest of its body is discarded.
    kLingering,   // The last response is sent; waits for the client to close.
    kClosed,
  };

  // net::StreamHandler
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status status) override;
  void OnDrained() override;
  // http::Http1Handler
  void OnRequestHead(const http::RequestHead& head) override;
  void OnBody(absl::Span<const uint8_t> bytes) override;
  void OnTrailers(absl::Span<const http::Header> trailers) override;
  void OnMessageComplete() override;
  // ResponseSink
  void OnResponseHead(const http::ResponseHead& head) override;
  void OnResponseBody(absl::Span<const uint8_t> bytes) override;
  void OnResponseTrailers(absl::Span<const http::Header> trailers) override;
  void OnResponseComplete() override;
  void OnResponseFailed(const Failure& failure) override;
  void OnRequestDrained() override;

  bool HoldsInput() const;
  void Consume(absl::Span<const uint8_t> bytes);
  void ResumeInput();
  void StartAttempt();
  void OnDialed(std::shared_ptr<Endpoint> endpoint, Dial::Result result);
  void ForwardOver(RequestLeg& leg, const ConnectionFacts& facts);
  void ReleaseLeg();
  void StartRecord();
  void ReportRequest();
  void FinishIfAnswered();
  void Answer(int status, telemetry::Reason reason);
  bool MustClose() const;
  void FinishExchange();
  void RefuseMalformed(const absl::Status& error);
  void RefuseHead(int status, absl::string_view detail);
  void Linger();
  void SetDeadline();
  void OnDeadline();
  // Ends an exchange in the middle, so that the client cannot take it for whole.
  void BreakOff(telemetry::Reason reason, absl::string_view detail);
  void Close();

  WorkerState& worker_;
  Session& session_;
  std::unique_ptr<net::Stream> stream_;
  http::Http1Parser parser_;
  Deadline deadline_;
  const uint64_t says_close_at_ms_;  // From then on responses carry "Connection: close".
  const uint64_t ends_at_ms_;        // Then an idle connection is closed.

  Phase phase_ = Phase::kIdle;
  std::vector<uint8_t> unread_;  // Held back until the exchange can take it.
  bool parser_paused_ = false;
  bool in_feed_ = false;
  bool eof_ = false;
  bool draining_ = false;
  bool head_timed_ = false;

  // The exchange in flight.
  StoredRequest request_;
  RequestRecord record_;
  std::unique_ptr<Dial> dial_;
  std::shared_ptr<Endpoint> endpoint_;
  std::vector<std::shared_ptr<Endpoint>> tried_;
  RequestLeg* leg_ = nullptr;
  bool retried_ = false;
  bool request_complete_ = false;
  bool response_begun_ = false;
  bool close_after_ = false;
  bool keep_alive_ = false;
  int version_minor_ = 1;
  http::BodyKind response_body_ = http::BodyKind::kNone;
  bool last_chunk_sent_ = false;
  uint64_t discarded_ = 0;
};

}  // namespace kith::proxy
