// A connection to an upstream that carries one HTTP/1.1 exchange after another.
// Threads: the worker's loop. Owns: the stream. Its owner (endpoint.h) keeps it until OnGone().
// Errors: an exchange in flight gets OnResponseFailed(); an idle connection just goes.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "source/http/http1_parser.h"
#include "source/net/stream.h"
#include "source/proxy/deadline.h"
#include "source/proxy/dial.h"
#include "source/proxy/request_leg.h"

namespace kith::proxy {

class Http1Upstream final : public event::Deletable,
                            public RequestLeg,
                            private net::StreamHandler,
                            private http::Http1Handler {
 public:
  // The owner of the connection.
  class Owner {
   public:
    virtual ~Owner() = default;
    // It may carry another exchange.
    virtual void OnIdle(Http1Upstream& upstream) = 0;
    // It is closed; to be taken out and handed to Loop::DeleteLater().
    virtual void OnGone(Http1Upstream& upstream) = 0;
  };

  Http1Upstream(WorkerState& worker, Owner& owner, Dial::Result dialed, absl::Duration idle_timeout,
                uint64_t max_exchanges);

  const ConnectionFacts& facts() const { return facts_; }
  // False once its certificates are near their end: it takes no new exchange.
  bool IsFresh() const { return worker_.loop.NowMs() < stale_at_ms_; }
  bool idle() const { return sink_ == nullptr; }

  // Closes it: at once when idle, else after the exchange in flight.
  void Retire();

  // RequestLeg.
  void SendHead(const StoredRequest& request, ResponseSink& sink) override;
  void SendBody(absl::Span<const uint8_t> bytes) override;
  void SendEnd(absl::Span<const http::Header> trailers) override;
  bool write_blocked() const override { return stream_->write_blocked(); }
  void PauseResponse() override {
    paused_ = true;
    stream_->PauseReading();
  }
  void ResumeResponse() override {
    paused_ = false;
    stream_->ResumeReading();
  }
  void Abandon() override;

 private:
  // net::StreamHandler
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status status) override;
  void OnDrained() override;
  // http::Http1Handler
  void OnResponseHead(const http::ResponseHead& head) override;
  void OnBody(absl::Span<const uint8_t> bytes) override;
  void OnTrailers(absl::Span<const http::Header> trailers) override;
  void OnMessageComplete() override;

  void FinishExchange();
  void Break(telemetry::Reason reason, std::string detail);
  void Go();

  WorkerState& worker_;
  Owner& owner_;
  std::unique_ptr<net::Stream> stream_;
  ConnectionFacts facts_;
  http::Http1Parser parser_;
  absl::Duration idle_timeout_;
  const uint64_t max_exchanges_;
  uint64_t stale_at_ms_;
  Deadline idle_deadline_;
  ResponseSink* sink_ = nullptr;  // Of the exchange in flight.
  http::BodyKind request_body_ = http::BodyKind::kNone;
  StoredRequest::Switch switch_ = StoredRequest::Switch::kNone;
  bool switched_ = false;  // What comes is no HTTP any more.
  bool request_sent_ = false;
  bool response_begun_ = false;
  bool response_done_ = false;
  bool reusable_ = false;  // As far as the response's head says.
  bool paused_ = false;
  bool retiring_ = false;
  bool gone_ = false;
  uint64_t exchanges_ = 0;
};

}  // namespace kith::proxy
