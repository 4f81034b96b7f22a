#include "source/proxy/tunnel_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::proxy {

using http::Http2Session;
using telemetry::Reason;

namespace {

constexpr int kOpened = 200;

}  // namespace

std::unique_ptr<TunnelStream> TunnelStream::Ask(std::shared_ptr<Http2Transport> transport,
                                                absl::string_view authority, Opener& opener) {
  const http::Header head[] = {{":method", "CONNECT"}, {":authority", authority}};
  Http2Session& session = transport->session();
  auto stream = std::make_unique<TunnelStream>(std::move(transport), 0);
  stream->opener_ = &opener;
  stream->id_ = session.SubmitRequest(head, Http2Session::Message::kGoesOn, *stream);
  if (stream->id_ == 0) return nullptr;
  return stream;
}

TunnelStream::TunnelStream(std::shared_ptr<Http2Transport> transport, int32_t id)
    : transport_(std::move(transport)), held_(transport_->stream().loop().blocks()), id_(id) {}

TunnelStream::~TunnelStream() {
  Reset();
  if (heavy_) transport_->RemoveHeavyStream();
  transport_->OnTunnelGone();
}

void TunnelStream::Accept() {
  const http::Header head[] = {{":status", "200"}};
  session().SubmitResponse(id_, head, Http2Session::Message::kGoesOn);
}

void TunnelStream::Refuse(int status) {
  const std::string text = absl::StrCat(status);
  const http::Header head[] = {{":status", text}};
  session().SubmitResponse(id_, head, Http2Session::Message::kComplete);
  CloseAfterFlush();
}

// ---- Reading ----

void TunnelStream::OnResponseHead(const http::ResponseHead& head) {
  if (head.is_informational() || opener_ == nullptr) return;
  if (head.status != kOpened) {
    session().Reset(std::exchange(id_, 0), Http2Session::ResetCode::kCancel);
  }
  std::exchange(opener_, nullptr)->OnAnswered(head.status);
}

void TunnelStream::OnStreamBody(absl::Span<const uint8_t> bytes) {
  received_ += bytes.size();
  NoteMoved();
  unread_ += static_cast<uint32_t>(bytes.size());
  if (paused() || !held_.empty()) {
    held_.Append(bytes);
    return;
  }
  handler_->OnData(bytes);
  if (!left_ && !paused()) Consume();
}

void TunnelStream::OnStreamEnd() {
  ended_ = true;
  if (opener_ == nullptr) TellTheEnd();
}

void TunnelStream::OnStreamDrained() {
  if (handler_ != nullptr) handler_->OnDrained();
}

void TunnelStream::OnStreamClosed(const http::Http2Close& close) {
  id_ = 0;
  if (opener_ != nullptr) {
    left_ = true;
    const Reason reason = close.cause == http::Http2Close::Cause::kConnection
                              ? transport_->reason()
                              : Reason::kUpstreamReset;
    std::exchange(opener_, nullptr)->OnUnanswered(reason, close.detail);
    return;
  }
  if (left_) return;
  closed_ = true;
  if (close.cause == http::Http2Close::Cause::kComplete) {
    TellTheEnd();
    return;
  }
  Leave();
  if (handler_ != nullptr) handler_->OnClosed(absl::UnavailableError(close.detail));
}

// Only behind all that came before it.
void TunnelStream::TellTheEnd() {
  if (!held_.empty() || handler_ == nullptr) return;
  if (ended_ && !told_end_) {
    told_end_ = true;
    handler_->OnEnd();
  }
  if (!closed_ || left_) return;
  Leave();
  handler_->OnClosed(absl::OkStatus());
}

void TunnelStream::ResumeReading() {
  if (left_) return;
  paused_ = false;
  if (unread_ > 0 || ended_ || closed_) loop().AtEndOfTurn(*this);
}

void TunnelStream::OnEndOfTurn() {
  while (!left_ && !paused() && !held_.empty()) {
    const absl::Span<const uint8_t> front = held_.Front();
    handler_->OnData(front);
    held_.Consume(front.size());
  }
  if (left_ || paused()) return;
  Consume();
  TellTheEnd();
}

void TunnelStream::NoteMoved() {
  if (heavy_ || received_ + sent_ < Http2Transport::kHeavy) return;
  heavy_ = true;
  transport_->AddHeavyStream();
}

void TunnelStream::Consume() { session().Consume(id_, std::exchange(unread_, 0)); }

// ---- Writing ----

void TunnelStream::Write(absl::Span<const uint8_t> bytes) {
  sent_ += bytes.size();
  NoteMoved();
  session().Write(id_, bytes);
}

void TunnelStream::Write(base::ByteChain&& bytes) {
  while (!bytes.empty()) {
    const absl::Span<const uint8_t> front = bytes.Front();
    Write(front);
    bytes.Consume(front.size());
  }
}

// ---- The end ----

void TunnelStream::Leave() {
  left_ = true;
  held_.Clear();
}

void TunnelStream::CloseAfterFlush() {
  Leave();
  session().End(id_, {});
  session().Release(std::exchange(id_, 0));
}

void TunnelStream::Reset() {
  Leave();
  session().Reset(std::exchange(id_, 0), Http2Session::ResetCode::kCancel);
}

}  // namespace kith::proxy
