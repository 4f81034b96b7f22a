#include "source/proxy/http1_upstream.h"

#include <algorithm>
#include <utility>

#include "source/base/check.h"
#include "source/http/serialize.h"
#include "source/proxy/http1_output.h"
#include "source/telemetry/reason_status.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

// A connection takes no new exchange in the last fifth of its certificates' time, so that it is
// idle and closed before the server side, which waits longer, ends it.
constexpr double kFreshShare = 0.8;

}  // namespace

Http1Upstream::Http1Upstream(WorkerState& worker, Owner& owner, Dial::Result dialed,
                             absl::Duration idle_timeout, uint64_t max_exchanges)
    : worker_(worker),
      owner_(owner),
      stream_(std::move(dialed.stream)),
      facts_(std::move(dialed.facts)),
      parser_(http::Http1Parser::Kind::kResponse, *this),
      idle_timeout_(idle_timeout),
      max_exchanges_(max_exchanges),
      stale_at_ms_(worker.AfterShareOf(facts_.Validity(*worker.options.clock), kFreshShare)),
      idle_deadline_(worker.loop, [this] { Go(); }) {
  stream_->SetHandler(this);
  stream_->ResumeReading();
}

void Http1Upstream::Retire() {
  retiring_ = true;
  if (idle()) Go();
}

void Http1Upstream::SendHead(const StoredRequest& request, ResponseSink& sink) {
  KITH_CHECK(idle() && !gone_, "one exchange at a time");
  sink_ = &sink;
  request_body_ = request.framing().kind;
  request_sent_ = response_begun_ = response_done_ = reusable_ = false;
  ++exchanges_;
  idle_deadline_.Clear();
  http::ResponseContext context;
  switch_ = request.switches();
  context.to_head = request.method() == "HEAD";
  context.to_connect = switch_ == StoredRequest::Switch::kConnect;
  context.upgrade_offered = switch_ == StoredRequest::Switch::kUpgrade;
  parser_.ExpectResponse(context);
  worker_.scratch.clear();
  AppendRequestHead(request, worker_.scratch);
  stream_->Write(worker_.scratch);
}

void Http1Upstream::SendBody(absl::Span<const uint8_t> bytes) {
  if (request_body_ == http::BodyKind::kChunked) {
    WriteChunkTo(*stream_, bytes);
  } else {
    stream_->Write(bytes);
  }
}

void Http1Upstream::SendEnd(absl::Span<const http::Header> trailers) {
  if (request_body_ == http::BodyKind::kChunked) {
    worker_.scratch.clear();
    http::WriteLastChunk(trailers, worker_.scratch);
    stream_->Write(worker_.scratch);
  }
  // The request itself has ended before it was answered.
  if (switched_) stream_->EndWriting();
  request_sent_ = true;
}

void Http1Upstream::Abandon() {
  sink_ = nullptr;
  stream_->Reset();
  Go();
}

void Http1Upstream::OnData(absl::Span<const uint8_t> bytes) {
  if (switched_) {
    sink_->OnResponseBody(bytes);
    return;
  }
  absl::StatusOr<size_t> taken = parser_.Feed(bytes);
  if (gone_) return;
  if (!taken.ok()) {
    Break(Reason::kUpstreamProtocolError, std::string(taken.status().message()));
    return;
  }
  if (switched_) {
    bytes.remove_prefix(*taken);
    if (!bytes.empty()) sink_->OnResponseBody(bytes);
    return;
  }
  // Bytes behind a response answer nothing that was asked.
  if (*taken < bytes.size()) reusable_ = false;
  if (response_done_) FinishExchange();
}

void Http1Upstream::OnEnd() {
  if (sink_ == nullptr) {
    Go();
    return;
  }
  if (switched_) {
    FinishExchange();
    return;
  }
  const absl::Status ended = parser_.FinishOnEof();
  if (gone_) return;
  reusable_ = false;
  if (response_done_) {
    FinishExchange();
  } else {
    Break(Reason::kUpstreamReset, ended.ok() ? "the upstream ended the connection before responding"
                                             : std::string(ended.message()));
  }
}

void Http1Upstream::OnClosed(absl::Status status) {
  if (sink_ == nullptr) {
    Go();
    return;
  }
  if (switched_ && status.ok()) {
    FinishExchange();
    return;
  }
  // In TLS 1.3 a server says only now that it does not take our certificate.
  Break(telemetry::ReasonOf(status, Reason::kUpstreamReset),
        status.ok() ? "the upstream ended the connection" : std::string(status.message()));
}

void Http1Upstream::OnDrained() {
  if (sink_ != nullptr) sink_->OnRequestDrained();
}

void Http1Upstream::OnResponseHead(const http::ResponseHead& head) {
  response_begun_ = true;
  switched_ = StoredRequest::IsGranted(switch_, head.status);
  if (!head.is_informational()) reusable_ = head.keep_alive && !switched_;
  sink_->OnResponseHead(head);
  if (gone_) parser_.Pause();
}

void Http1Upstream::OnBody(absl::Span<const uint8_t> bytes) {
  if (gone_) return;
  sink_->OnResponseBody(bytes);
  if (gone_) parser_.Pause();
}

void Http1Upstream::OnTrailers(absl::Span<const http::Header> trailers) {
  if (!gone_) sink_->OnResponseTrailers(trailers);
}

void Http1Upstream::OnMessageComplete() { response_done_ = true; }

void Http1Upstream::FinishExchange() {
  ResponseSink* sink = std::exchange(sink_, nullptr);
  // An answer before the request's end leaves the rest of the body in the way of the next exchange.
  const bool keep =
      reusable_ && request_sent_ && !retiring_ && IsFresh() && exchanges_ < max_exchanges_;
  if (keep) {
    // The last of a response may have been too much for who reads it; the next has another reader.
    if (paused_) ResumeResponse();
    const uint64_t left_ms = stale_at_ms_ - worker_.loop.NowMs();
    absl::Duration wait = idle_timeout_;
    if (stale_at_ms_ != UINT64_MAX) {
      wait = std::min(wait, absl::Milliseconds(static_cast<int64_t>(left_ms)));
    }
    idle_deadline_.Set(wait);
    owner_.OnIdle(*this);
  } else {
    Go();
  }
  sink->OnResponseComplete();
}

void Http1Upstream::Break(Reason reason, std::string detail) {
  ResponseSink* sink = std::exchange(sink_, nullptr);
  Failure failure;
  failure.reason = reason;
  failure.detail = std::move(detail);
  if (!response_begun_ && reason == Reason::kUpstreamReset) {
    failure.repeat = Failure::Repeat::kIfIdempotent;
    // A connection that has served before may have been closed as idle at that very moment.
    failure.connection_ended = exchanges_ > 1;
  }
  Go();
  if (sink != nullptr) sink->OnResponseFailed(failure);
}

void Http1Upstream::Go() {
  if (gone_) return;
  gone_ = true;
  idle_deadline_.Clear();
  stream_->CloseAfterFlush();
  owner_.OnGone(*this);
}

}  // namespace kith::proxy
