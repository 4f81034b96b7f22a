#include "source/proxy/http_connection.h"

#include <algorithm>
#include <utility>

#include "source/base/check.h"
#include "source/http/serialize.h"
#include "source/proxy/http1_output.h"
#include "source/proxy/local_answer.h"

namespace kith::proxy {

using http::BodyKind;
using telemetry::Reason;

namespace {

// Endpoints to try before giving up: a dead one is replaced, a dead service is not hammered.
constexpr size_t kMaxAttempts = 3;
// Of a refused request's body: less is read so that the connection can go on, more closes it.
constexpr uint64_t kMaxDiscarded = 64 * 1024;
constexpr absl::Duration kLinger = absl::Seconds(5);
// The client side stops at four fifths (http1_upstream.cc), so this is rarely met.
constexpr double kSaysCloseShare = 0.9;

}  // namespace

HttpConnection::HttpConnection(WorkerState& worker, Session& session,
                               std::unique_ptr<net::Stream> stream, absl::Duration validity)
    : worker_(worker),
      session_(session),
      stream_(std::move(stream)),
      parser_(http::Http1Parser::Kind::kRequest, *this,
              {.max_head_bytes = worker.options.limits.request_head_bytes}),
      deadline_(worker.loop, [this] { OnDeadline(); }),
      says_close_at_ms_(worker.AfterShareOf(validity, kSaysCloseShare)),
      ends_at_ms_(worker.AfterShareOf(validity, 1.0)),
      draining_(worker.draining) {}

void HttpConnection::Start(absl::Span<const uint8_t> first_bytes) {
  stream_->SetHandler(this);
  SetDeadline();
  if (!first_bytes.empty()) OnData(first_bytes);
  if (phase_ != Phase::kClosed && unread_.empty()) stream_->ResumeReading();
}

void HttpConnection::StartDraining() {
  draining_ = true;
  if (phase_ == Phase::kIdle && parser_.idle() && unread_.empty()) Close();
}

void HttpConnection::Abort() {
  if (phase_ == Phase::kClosed) return;
  stream_->Reset();
  Close();
}

// ---- The request's way ----

bool HttpConnection::HoldsInput() const {
  switch (phase_) {
    case Phase::kDialing:
      return true;
    case Phase::kForwarding:
      return request_complete_ || leg_->write_blocked();
    default:
      return false;
  }
}

void HttpConnection::OnData(absl::Span<const uint8_t> bytes) {
  if (phase_ == Phase::kLingering) return;
  if (!unread_.empty() || HoldsInput()) {
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
    stream_->PauseReading();
    return;
  }
  Consume(bytes);
}

void HttpConnection::Consume(absl::Span<const uint8_t> bytes) {
  bool more = !bytes.empty() || parser_paused_;
  while (more && phase_ != Phase::kClosed && phase_ != Phase::kLingering) {
    if (HoldsInput()) {
      if (!bytes.empty()) {
        unread_.assign(bytes.begin(), bytes.end());
        stream_->PauseReading();
      }
      return;
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
    FinishIfAnswered();
    more = !bytes.empty();
  }
  SetDeadline();
}

void HttpConnection::ResumeInput() {
  if (in_feed_ || phase_ == Phase::kClosed || phase_ == Phase::kLingering) return;
  std::vector<uint8_t> held;
  held.swap(unread_);
  Consume(held);
  if (phase_ == Phase::kClosed || phase_ == Phase::kLingering) return;
  if (unread_.empty() && !HoldsInput()) {
    if (eof_) {
      OnEnd();
    } else {
      stream_->ResumeReading();
    }
  }
}

void HttpConnection::OnRequestHead(const http::RequestHead& head) {
  StartRecord();
  record_.host.assign(head.host.data(), head.host.size());
  request_complete_ = response_begun_ = close_after_ = last_chunk_sent_ = retried_ = false;
  discarded_ = 0;
  tried_.clear();
  keep_alive_ = head.keep_alive;
  version_minor_ = head.version_minor;
  head_timed_ = false;

  const int refusal = session_.Route(head, request_, record_);
  record_.request = &request_;
  if (refusal != 0) {
    Answer(refusal, record_.reason);
    return;
  }
  StartAttempt();
  if (phase_ == Phase::kDialing && head.framing.kind != BodyKind::kNone) {
    parser_.Pause();
    parser_paused_ = true;
  }
}

void HttpConnection::OnBody(absl::Span<const uint8_t> bytes) {
  record_.request_bytes += bytes.size();
  if (phase_ == Phase::kForwarding) {
    leg_->SendBody(bytes);
    if (leg_->write_blocked()) {
      parser_.Pause();
      parser_paused_ = true;
    }
  } else if (phase_ == Phase::kAnswered) {
    discarded_ += bytes.size();
    if (discarded_ > kMaxDiscarded) {
      close_after_ = true;
      parser_.Pause();
      FinishExchange();
    }
  }
}

void HttpConnection::OnTrailers(absl::Span<const http::Header> trailers) {
  if (phase_ == Phase::kForwarding) leg_->SendEnd(trailers);
  request_complete_ = true;
}

void HttpConnection::OnMessageComplete() {
  if (!request_complete_) OnTrailers({});
}

void HttpConnection::StartAttempt() {
  endpoint_ = session_.Choose(tried_, record_);
  if (endpoint_ == nullptr) {
    Answer(StatusOf(record_.reason), record_.reason);
    return;
  }
  record_.endpoint = endpoint_.get();
  endpoint_->AddActive();
  if (Http1Upstream* upstream = endpoint_->TakeIdle(); upstream != nullptr) {
    ForwardOver(*upstream, upstream->facts());
    return;
  }
  phase_ = Phase::kDialing;
  deadline_.Clear();  // Dialling has its own.
  dial_ = endpoint_->StartDial(
      [this, endpoint = endpoint_](Dial::Result result) { OnDialed(endpoint, std::move(result)); });
}

void HttpConnection::OnDialed(std::shared_ptr<Endpoint> endpoint, Dial::Result result) {
  worker_.loop.DeleteLater(std::move(dial_));
  if (result.status.ok()) {
    Http1Upstream& upstream = endpoint->Adopt(std::move(result));
    ForwardOver(upstream, upstream.facts());
    ResumeInput();
    return;
  }
  record_.reason = result.reason;
  record_.detail = std::string(result.status.message());
  endpoint_->RemoveActive();
  endpoint_ = nullptr;
  tried_.push_back(std::move(endpoint));
  if (tried_.size() < kMaxAttempts) {
    // Nothing was sent yet, so another endpoint may have it, whatever its method.
    StartAttempt();
  } else {
    Answer(StatusOf(record_.reason), record_.reason);
  }
  FinishIfAnswered();
  ResumeInput();
}

void HttpConnection::FinishIfAnswered() {
  if (phase_ == Phase::kAnswered && request_complete_) FinishExchange();
}

void HttpConnection::ForwardOver(RequestLeg& leg, const ConnectionFacts& facts) {
  leg_ = &leg;
  phase_ = Phase::kForwarding;
  record_.upstream = &facts;
  record_.reason = Reason::kNone;
  record_.detail.clear();
  leg_->SendHead(request_, *this);
  if (request_complete_) leg_->SendEnd({});
  SetDeadline();
}

void HttpConnection::OnRequestDrained() { ResumeInput(); }

// ---- The response's way ----

bool HttpConnection::MustClose() const {
  return !keep_alive_ || draining_ || eof_ || close_after_ || !request_complete_ ||
         worker_.loop.NowMs() >= says_close_at_ms_;
}

void HttpConnection::OnResponseHead(const http::ResponseHead& head) {
  ResponseFraming framing;
  framing.version_minor = version_minor_;
  if (head.is_informational()) {
    if (version_minor_ == 0) return;  // HTTP/1.0 knows none (RFC 9110 §15.2).
  } else {
    response_begun_ = true;
    record_.status = head.status;
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

void HttpConnection::OnResponseBody(absl::Span<const uint8_t> bytes) {
  record_.response_bytes += bytes.size();
  if (response_body_ == BodyKind::kChunked) {
    WriteChunkTo(*stream_, bytes);
  } else {
    stream_->Write(bytes);
  }
  if (stream_->write_blocked()) leg_->PauseResponse();
  SetDeadline();
}

void HttpConnection::OnResponseTrailers(absl::Span<const http::Header> trailers) {
  if (response_body_ != BodyKind::kChunked) return;
  worker_.scratch.clear();
  http::WriteLastChunk(trailers, worker_.scratch);
  stream_->Write(worker_.scratch);
  last_chunk_sent_ = true;
}

void HttpConnection::OnResponseComplete() {
  if (response_body_ == BodyKind::kChunked && !last_chunk_sent_) OnResponseTrailers({});
  leg_ = nullptr;
  FinishExchange();
}

void HttpConnection::OnResponseFailed(const Failure& failure) {
  leg_ = nullptr;
  if (response_begun_) {
    BreakOff(failure.reason, failure.detail);
    return;
  }
  endpoint_->RemoveActive();
  endpoint_ = nullptr;
  record_.upstream = nullptr;
  if (failure.stale_connection && request_.CanBeRepeated() && !retried_) {
    retried_ = true;
    worker_.observer.CountRetry(failure.reason);
    StartAttempt();
  } else {
    record_.detail = failure.detail;
    Answer(StatusOf(failure.reason), failure.reason);
  }
  FinishIfAnswered();
  ResumeInput();
}

void HttpConnection::OnDrained() {
  if (leg_ != nullptr) leg_->ResumeResponse();
}

void HttpConnection::Answer(int status, Reason reason) {
  phase_ = Phase::kAnswered;
  record_.status = status;
  record_.reason = reason;
  response_begun_ = true;
  // The rest of the request is still to come, which need not end the connection.
  close_after_ = close_after_ || !keep_alive_ || draining_ || eof_;
  const bool to_head = record_.request != nullptr && request_.method() == "HEAD";
  std::string& out = worker_.scratch;
  out.clear();
  record_.response_bytes = AppendAnswer(
      {status, close_after_, to_head ? LocalAnswer::Body::kNotSent : LocalAnswer::Body::kSent},
      out);
  stream_->Write(out);
}

void HttpConnection::StartRecord() {
  record_ = RequestRecord();
  record_.started = worker_.options.clock->Now();
}

void HttpConnection::ReportRequest() {
  record_.duration = std::max(worker_.options.clock->Now() - record_.started, absl::ZeroDuration());
  session_.OnRequestDone(record_);
  if (endpoint_ != nullptr) endpoint_->RemoveActive();
  endpoint_ = nullptr;
  record_.endpoint = nullptr;
  record_.upstream = nullptr;
}

void HttpConnection::FinishExchange() {
  ReportRequest();
  phase_ = Phase::kIdle;
  if (close_after_ || !request_complete_ || draining_ || eof_) {
    Linger();
    return;
  }
  SetDeadline();
  ResumeInput();
}

void HttpConnection::RefuseMalformed(const absl::Status& error) {
  const http::ParseError parse_error = parser_.error();
  worker_.observer.CountBadRequest(http::ToString(parse_error));
  if (phase_ == Phase::kForwarding || phase_ == Phase::kDialing) {
    // Inside a body: the exchange cannot be completed, and its answer may have begun.
    if (response_begun_) {
      BreakOff(Reason::kBadRequest, error.message());
      return;
    }
    record_.detail = std::string(error.message());
    ReleaseLeg();
  } else if (phase_ == Phase::kIdle) {
    RefuseHead(http::HttpStatus(parse_error), error.message());
    return;
  }
  const bool answered = phase_ == Phase::kAnswered;
  close_after_ = true;
  if (!answered) Answer(http::HttpStatus(parse_error), Reason::kBadRequest);
  FinishExchange();
}

void HttpConnection::RefuseHead(int status, absl::string_view detail) {
  StartRecord();
  record_.detail.assign(detail.data(), detail.size());
  close_after_ = true;
  Answer(status, Reason::kBadRequest);
  FinishExchange();
}

void HttpConnection::ReleaseLeg() {
  if (dial_ != nullptr) worker_.loop.DeleteLater(std::move(dial_));
  if (leg_ != nullptr) std::exchange(leg_, nullptr)->Abandon();
}

// ---- The connection's end ----

void HttpConnection::OnEnd() {
  eof_ = true;
  if (phase_ == Phase::kLingering) {
    Close();
  } else if (phase_ == Phase::kIdle && unread_.empty()) {
    const absl::Status ended = parser_.FinishOnEof();
    ended.ok() ? Close() : RefuseMalformed(ended);
  } else if (!request_complete_ && unread_.empty() && phase_ != Phase::kIdle) {
    // The body will never be complete.
    BreakOff(Reason::kConnectionReset, "the client ended the connection inside a request's body");
  }
}

void HttpConnection::BreakOff(Reason reason, absl::string_view detail) {
  record_.reason = reason;
  record_.detail.assign(detail.data(), detail.size());
  stream_->Reset();
  Close();
}

void HttpConnection::OnClosed(absl::Status status) {
  if (record_.reason == Reason::kNone) {
    record_.reason = Reason::kConnectionReset;
    record_.detail = std::string(status.message());
  }
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

void HttpConnection::SetDeadline() {
  switch (phase_) {
    case Phase::kIdle: {
      if (!parser_.idle()) {
        // One period for the whole head: a client cannot stretch it byte by byte.
        if (!head_timed_) deadline_.Set(worker_.options.timeouts.head);
        head_timed_ = true;
        break;
      }
      absl::Duration wait = worker_.options.timeouts.idle;
      if (ends_at_ms_ != UINT64_MAX) {
        const uint64_t now = worker_.loop.NowMs();
        const uint64_t left = ends_at_ms_ > now ? ends_at_ms_ - now : 1;
        wait = std::min(wait, absl::Milliseconds(static_cast<int64_t>(left)));
      }
      deadline_.Set(wait);
      break;
    }
    case Phase::kForwarding:
      if (!response_begun_ && request_complete_ &&
          worker_.options.timeouts.response > absl::ZeroDuration()) {
        deadline_.Set(worker_.options.timeouts.response);
      } else {
        deadline_.Set(worker_.options.timeouts.idle);
      }
      break;
    case Phase::kAnswered:
      deadline_.Set(worker_.options.timeouts.head);
      break;
    default:  // Dialling has its own, lingering has set it, closed needs none.
      break;
  }
}

void HttpConnection::OnDeadline() {
  switch (phase_) {
    case Phase::kIdle:
      if (parser_.idle()) {
        Close();
      } else {
        worker_.observer.CountBadRequest("head_timeout");
        RefuseHead(408, "the request's head did not arrive in time");
      }
      break;
    case Phase::kForwarding:
      if (response_begun_) {
        BreakOff(Reason::kUpstreamTimeout, "nothing moved for too long");
        break;
      }
      ReleaseLeg();
      record_.detail = "no response in time";
      close_after_ = true;
      Answer(504, Reason::kUpstreamTimeout);
      FinishExchange();
      break;
    default:
      Close();
      break;
  }
}

void HttpConnection::Close() {
  if (phase_ == Phase::kClosed) return;
  const bool in_exchange =
      phase_ == Phase::kDialing || phase_ == Phase::kForwarding || phase_ == Phase::kAnswered;
  phase_ = Phase::kClosed;
  deadline_.Clear();
  ReleaseLeg();
  if (in_exchange) ReportRequest();
  stream_->CloseAfterFlush();
  session_.OnConnectionDone();
}

}  // namespace kith::proxy
