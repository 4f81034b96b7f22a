// A downstream HTTP/1.1 connection: parses requests one after another and has each one carried by
// its exchange, with back-pressure both ways.
// Threads: the worker's loop. Owns: the stream and the exchange.
// Errors: a malformed request is answered and the connection closed; a response that breaks off
// ends the connection with a reset. A client that speaks HTTP/2 instead is handed to the session.
#pragma once

#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "source/http/http1_parser.h"
#include "source/net/stream.h"
#include "source/proxy/deadline.h"
#include "source/proxy/exchange.h"
#include "source/proxy/local_answer.h"

namespace kith::proxy {

class HttpConnection final : public event::Deletable,
                             private net::StreamHandler,
                             private http::Http1Handler,
                             private Exchange::Downstream {
 public:
  // `validity`: how long the connection may take requests at all; infinite without certificates.
  HttpConnection(WorkerState& worker, HttpSession& session, std::unique_ptr<net::Stream> stream,
                 absl::Duration validity);

  // Starts reading. `first_bytes` were read before the connection was there.
  void Start(absl::Span<const uint8_t> first_bytes);
  // Closes when idle, now or after the exchange in flight.
  void StartDraining();
  // Breaks off what is in flight, with the status' reason.
  void CutOff(const absl::Status& status);

 private:
  enum class Phase : uint8_t {
    kServing,    // Between requests or in an exchange.
    kLingering,  // The last response is sent; waits for the client to close.
    kClosed,
  };

  // net::StreamHandler
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status status) override;
  void OnDrained() override { exchange_.ResumeResponse(); }
  // http::Http1Handler
  void OnRequestHead(const http::RequestHead& head) override;
  void OnBody(absl::Span<const uint8_t> bytes) override;
  void OnTrailers(absl::Span<const http::Header> trailers) override;
  void OnMessageComplete() override;
  // Exchange::Downstream
  void SendResponseHead(const http::ResponseHead& head) override;
  void SendResponseBody(absl::Span<const uint8_t> bytes) override;
  void SendResponseTrailers(absl::Span<const http::Header> trailers) override;
  size_t SendAnswer(int status) override;
  size_t SendReply(const Reply& reply, absl::string_view method) override;
  void SwitchProtocols(const http::ResponseHead& head) override;
  bool response_blocked() const override { return stream_->write_blocked(); }
  void OnRequestFlows() override { ResumeInput(); }
  void OnExchangeDone() override;
  void OnExchangeBroken() override;

  bool serving() const { return phase_ == Phase::kServing; }
  void TakeFirst(absl::Span<const uint8_t> bytes);
  void Consume(absl::Span<const uint8_t> bytes);
  void PauseParser();
  void ResumeInput();
  size_t SendLocal(LocalAnswer answer);
  bool MustClose() const;
  void RefuseMalformed(const absl::Status& error);
  void RefuseHead(int status, absl::string_view detail);
  void Linger();
  absl::Duration IdleTime() const;
  absl::Duration ExchangeTime() const;  // Until the exchange has to be looked after.
  void SetDeadline();
  void OnDeadline();
  void Close();

  WorkerState& worker_;
  HttpSession& session_;
  std::unique_ptr<net::Stream> stream_;
  http::Http1Parser parser_;
  Exchange exchange_;
  Deadline deadline_;
  const uint64_t says_close_at_ms_;  // From then on responses carry "Connection: close".
  const uint64_t ends_at_ms_;        // Then an idle connection is closed.

  Phase phase_ = Phase::kServing;
  bool first_ = true;            // Nothing was parsed yet.
  std::vector<uint8_t> unread_;  // Held back until the exchange can take it.
  bool parser_paused_ = false;
  bool in_feed_ = false;
  bool eof_ = false;
  bool draining_ = false;
  bool switched_ = false;  // What comes is no HTTP any more.
  bool head_timed_ = false;

  // Of the exchange in flight.
  bool close_after_ = false;
  bool keep_alive_ = false;
  bool to_head_ = false;
  int version_minor_ = 1;
  http::BodyKind response_body_ = http::BodyKind::kNone;
  bool last_chunk_sent_ = false;
  uint64_t discarded_ = 0;
};

}  // namespace kith::proxy
