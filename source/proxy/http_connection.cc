#include "source/proxy/http_connection.h"

#include <algorithm>
#include <utility>

#include "source/http/serialize.h"
#include "source/proxy/http1_output.h"
#include "source/proxy/local_answer.h"
#include "source/telemetry/reason_status.h"

namespace kith::proxy {

using http::BodyKind;
using telemetry::Reason;

namespace {

// Of a refused request's body: less is read so that the connection can go on, more closes it.
constexpr uint64_t kMaxDiscarded = 64 * 1024;
constexpr absl::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr absl::Duration kLinger = absl::Seconds(5);
// The client side stops at four fifths (http1_upstream.cc), so this is rarely met.
constexpr double kSaysCloseShare = 0.9;

}  // namespace

HttpConnection::HttpConnection(WorkerState& worker, HttpSession& session,
                               std::unique_ptr<net::Stream> stream, absl::Duration validity)
    : worker_(worker),
      session_(session),
      stream_(std::move(stream)),
      parser_(http::Http1Parser::Kind::kRequest, *this,
              {.max_head_bytes = worker.options.limits.request_head_bytes}),
      exchange_(worker, session, *this),
      deadline_(worker.loop, [this] { OnDeadline(); }),
      says_close_at_ms_(worker.AfterShareOf(validity, kSaysCloseShare)),
      ends_at_ms_(worker.AfterShareOf(validity, 1.0)),
      draining_(session.draining()) {}

void HttpConnection::Start(absl::Span<const uint8_t> first_bytes) {
  stream_->SetHandler(this);
  SetDeadline();
  if (!first_bytes.empty()) OnData(first_bytes);
  if (phase_ != Phase::kClosed && !exchange_.HoldsRequest()) stream_->ResumeReading();
}

void HttpConnection::StartDraining() {
  draining_ = true;
  if (serving() && !exchange_.active() && parser_.idle() && unread_.empty()) Close();
}

// ---- The request's way ----

void HttpConnection::OnData(absl::Span<const uint8_t> bytes) {
  if (phase_ == Phase::kLingering) return;
  if (first_) {
    TakeFirst(bytes);
    return;
  }
  if (!unread_.empty() || exchange_.HoldsRequest()) {
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
    stream_->PauseReading();
    return;
  }
  Consume(bytes);
}

// No request of HTTP/1.1 begins as HTTP/2 does, so a few bytes decide.
void HttpConnection::TakeFirst(absl::Span<const uint8_t> bytes) {
  unread_.insert(unread_.end(), bytes.begin(), bytes.end());
  const size_t seen = std::min(unread_.size(), kHttp2Preface.size());
  const bool matches = std::equal(unread_.begin(), unread_.begin() + static_cast<ptrdiff_t>(seen),
                                  kHttp2Preface.begin(),
                                  [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  if (matches && seen < kHttp2Preface.size() && !eof_) {
    deadline_.Set(worker_.options.timeouts.head);
    return;
  }
  std::vector<uint8_t> held;
  held.swap(unread_);
  first_ = false;
  if (!matches || seen < kHttp2Preface.size()) {
    Consume(held);
    return;
  }
  phase_ = Phase::kClosed;
  deadline_.Clear();
  session_.StartHttp2(std::move(stream_), held);
}

void HttpConnection::Consume(absl::Span<const uint8_t> bytes) {
  if (switched_) {
    if (!bytes.empty()) exchange_.TakeRequestBody(bytes);
    if (exchange_.HoldsRequest()) stream_->PauseReading();
    SetDeadline();
    return;
  }
  bool more = !bytes.empty() || parser_paused_;
  while (more && serving()) {
    if (exchange_.HoldsRequest()) {
      if (!bytes.empty()) {
        unread_.assign(bytes.begin(), bytes.end());
        stream_->PauseReading();
      }
      break;
    }
    parser_paused_ = false;
    in_feed_ = true;
    absl::StatusOr<size_t> taken = parser_.Feed(bytes);
    in_feed_ = false;
    if (phase_ == Phase::kClosed) return;
    if (!taken.ok()) {
      RefuseMalformed(taken.status());
      return;
    }
    bytes.remove_prefix(*taken);
    exchange_.FinishIfAnswered();
    more = !bytes.empty();
  }
  SetDeadline();
}

void HttpConnection::PauseParser() {
  parser_.Pause();
  parser_paused_ = true;
}

void HttpConnection::ResumeInput() {
  if (in_feed_ || !serving()) return;
  std::vector<uint8_t> held;
  held.swap(unread_);
  Consume(held);
  if (!serving()) return;
  if (unread_.empty() && !exchange_.HoldsRequest()) {
    if (eof_) {
      OnEnd();
    } else {
      stream_->ResumeReading();
    }
  }
}

void HttpConnection::OnRequestHead(const http::RequestHead& head) {
  close_after_ = last_chunk_sent_ = false;
  discarded_ = 0;
  keep_alive_ = head.keep_alive;
  to_head_ = head.method == "HEAD";
  version_minor_ = head.version_minor;
  head_timed_ = false;
  exchange_.Start(head);
  // The body waits for its connection; a request without one is complete at once.
  if (exchange_.HoldsRequest() && head.framing.kind != BodyKind::kNone) PauseParser();
}

void HttpConnection::OnBody(absl::Span<const uint8_t> bytes) {
  exchange_.TakeRequestBody(bytes);
  if (exchange_.answered()) {
    discarded_ += bytes.size();
    if (discarded_ > kMaxDiscarded) {
      close_after_ = true;
      parser_.Pause();
      exchange_.FinishAnswered();
    }
  } else if (exchange_.HoldsRequest()) {
    PauseParser();
  }
}

void HttpConnection::OnTrailers(absl::Span<const http::Header> trailers) {
  exchange_.TakeRequestEnd(trailers);
}

void HttpConnection::OnMessageComplete() {
  if (!exchange_.request_complete()) OnTrailers({});
}

// ---- The response's way ----

bool HttpConnection::MustClose() const {
  return !keep_alive_ || draining_ || eof_ || close_after_ || !exchange_.request_complete() ||
         worker_.loop.NowMs() >= says_close_at_ms_;
}

void HttpConnection::SendResponseHead(const http::ResponseHead& head) {
  ResponseFraming framing;
  framing.version_minor = version_minor_;
  if (head.is_informational()) {
    if (version_minor_ == 0) return;  // HTTP/1.0 knows none (RFC 9110 §15.2).
  } else {
    response_body_ = head.framing.kind;
    if (response_body_ == BodyKind::kChunked || response_body_ == BodyKind::kUntilClose) {
      response_body_ = version_minor_ == 0 ? BodyKind::kUntilClose : BodyKind::kChunked;
    }
    close_after_ = MustClose() || response_body_ == BodyKind::kUntilClose;
    framing.body = response_body_;
    framing.connection = close_after_ ? ResponseFraming::Connection::kClose
                                      : ResponseFraming::Connection::kKeepAlive;
  }
  worker_.scratch.clear();
  AppendResponseHead(head, framing, worker_.scratch);
  stream_->Write(worker_.scratch);
}

void HttpConnection::SwitchProtocols(const http::ResponseHead& head) {
  switched_ = close_after_ = true;
  response_body_ = BodyKind::kUntilClose;
  ResponseFraming framing;
  framing.connection = ResponseFraming::Connection::kUpgrade;
  worker_.scratch.clear();
  AppendResponseHead(head, framing, worker_.scratch);
  stream_->Write(worker_.scratch);
  SetDeadline();
}

void HttpConnection::SendResponseBody(absl::Span<const uint8_t> bytes) {
  if (response_body_ == BodyKind::kChunked) {
    WriteChunkTo(*stream_, bytes);
  } else {
    stream_->Write(bytes);
  }
  SetDeadline();
}

void HttpConnection::SendResponseTrailers(absl::Span<const http::Header> trailers) {
  if (response_body_ != BodyKind::kChunked) return;
  worker_.scratch.clear();
  http::WriteLastChunk(trailers, worker_.scratch);
  stream_->Write(worker_.scratch);
  last_chunk_sent_ = true;
}

size_t HttpConnection::SendAnswer(int status) { return SendLocal({.status = status}); }

size_t HttpConnection::SendReply(const Reply& reply, absl::string_view) {
  return SendLocal({.status = reply.status, .reply = &reply});
}

size_t HttpConnection::SendLocal(LocalAnswer answer) {
  response_body_ = BodyKind::kNone;
  // The rest of the request is still to come, which need not end the connection.
  close_after_ = close_after_ || !keep_alive_ || draining_ || eof_;
  std::string& out = worker_.scratch;
  out.clear();
  answer.close = close_after_;
  if (to_head_) answer.body = LocalAnswer::Body::kNotSent;
  const size_t body = AppendAnswer(answer, out);
  stream_->Write(out);
  return body;
}

void HttpConnection::OnExchangeDone() {
  if (response_body_ == BodyKind::kChunked && !last_chunk_sent_) SendResponseTrailers({});
  if (close_after_ || !exchange_.request_complete() || draining_ || eof_) {
    Linger();
    return;
  }
  SetDeadline();
  ResumeInput();
}

void HttpConnection::OnExchangeBroken() {
  stream_->Reset();
  Close();
}

void HttpConnection::RefuseMalformed(const absl::Status& error) {
  const http::ParseError parse_error = parser_.error();
  worker_.observer.CountBadRequest(http::ToString(parse_error));
  close_after_ = true;
  if (exchange_.active()) {
    // Inside a body: the exchange cannot be completed, and its answer may have begun.
    exchange_.Fail(http::HttpStatus(parse_error), Reason::kBadRequest, error.message());
  } else {
    RefuseHead(http::HttpStatus(parse_error), error.message());
  }
}

void HttpConnection::RefuseHead(int status, absl::string_view detail) {
  close_after_ = true;
  to_head_ = false;
  exchange_.RefuseUnread(status, detail);
}

// ---- The connection's end ----

void HttpConnection::OnEnd() {
  eof_ = true;
  if (phase_ == Phase::kLingering) {
    Close();
  } else if (first_ && !unread_.empty()) {
    TakeFirst({});
    if (serving()) OnEnd();
  } else if (!unread_.empty()) {
    return;  // ResumeInput() comes back to it.
  } else if (!exchange_.active()) {
    const absl::Status ended = parser_.FinishOnEof();
    ended.ok() ? Close() : RefuseMalformed(ended);
  } else if (switched_) {
    if (!exchange_.request_complete()) exchange_.TakeRequestEnd({});
  } else if (!exchange_.request_complete()) {
    // The body will never be complete.
    exchange_.Break(Reason::kConnectionReset,
                    "the client ended the connection inside a request's body");
  }
}

void HttpConnection::OnClosed(absl::Status status) {
  exchange_.Abandon(telemetry::ReasonOf(status, Reason::kConnectionReset), status.message());
  Close();
}

void HttpConnection::Linger() {
  phase_ = Phase::kLingering;
  unread_.clear();
  if (eof_) {
    Close();
    return;
  }
  // Closing with unread bytes would reset the connection and could destroy the response on its way.
  stream_->EndWriting();
  stream_->ResumeReading();
  deadline_.Set(kLinger);
}

absl::Duration HttpConnection::IdleTime() const {
  const absl::Duration idle = worker_.options.timeouts.idle;
  if (ends_at_ms_ == UINT64_MAX) return idle;
  const uint64_t now = worker_.loop.NowMs();
  const uint64_t left = ends_at_ms_ > now ? ends_at_ms_ - now : 1;
  return std::min(idle, absl::Milliseconds(static_cast<int64_t>(left)));
}

absl::Duration HttpConnection::ExchangeTime() const {
  const absl::Duration patience = exchange_.patience();
  const uint64_t ends_ms = exchange_.ends_ms();
  if (ends_ms == RequestTime::kNever) return patience;
  const uint64_t now_ms = worker_.loop.NowMs();
  const uint64_t left_ms = ends_ms > now_ms ? ends_ms - now_ms : 1;
  const absl::Duration left = absl::Milliseconds(static_cast<int64_t>(left_ms));
  return patience > absl::ZeroDuration() ? std::min(patience, left) : left;
}

void HttpConnection::SetDeadline() {
  if (!serving()) return;
  if (exchange_.active()) {
    deadline_.Set(ExchangeTime());
  } else if (parser_.idle()) {
    deadline_.Set(IdleTime());
  } else if (!head_timed_) {
    // One period for the whole head: a client cannot stretch it byte by byte.
    deadline_.Set(worker_.options.timeouts.head);
    head_timed_ = true;
  }
}

void HttpConnection::OnDeadline() {
  if (!serving() || exchange_.answered() || (!exchange_.active() && parser_.idle())) {
    Close();
  } else if (exchange_.active()) {
    if (!exchange_.request_complete()) close_after_ = true;
    exchange_.OnOutOfPatience();
  } else {
    worker_.observer.CountBadRequest("head_timeout");
    RefuseHead(408, "the request's head did not arrive in time");
  }
}

void HttpConnection::CutOff(const absl::Status& status) {
  if (phase_ == Phase::kClosed) return;
  exchange_.Abandon(telemetry::ReasonOf(status, Reason::kConnectionReset), status.message());
  stream_->Reset();
  Close();
}

void HttpConnection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  deadline_.Clear();
  exchange_.Abandon(Reason::kConnectionReset, "the connection was closed");
  stream_->CloseAfterFlush();
  session_.OnConnectionDone();
}

}  // namespace kith::proxy
