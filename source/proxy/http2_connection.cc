#include "source/proxy/http2_connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "source/proxy/local_answer.h"

namespace kith::proxy {

using http::BodyKind;
using http::Http2Session;
using telemetry::Reason;

namespace {

// Of a refused request's body: less is read so that it may end by itself.
constexpr uint64_t kMaxDiscarded = 64 * 1024;
// The client side stops at four fifths (http2_upstream.cc), so this is rarely met.
constexpr double kDrainShare = 0.9;
// More than a round trip: what the peer sent before it knew has arrived by then, and is served.
constexpr absl::Duration kDrainNotice = absl::Milliseconds(250);
constexpr absl::Duration kTick = absl::Seconds(1);
constexpr uint64_t kFinestTickMs = 5;  // Many streams that end one after another share a look.
constexpr size_t kMaxFree = 64;
// What a sidecar before this one may have added to a head of the largest size.
constexpr size_t kAddedToHead = 1024;

Http2Session::Options ServerOptions(const WorkerState& worker, const HttpSession& session) {
  Http2Session::Options options;
  options.role = Http2Session::Role::kServer;
  options.max_head_bytes = worker.options.limits.request_head_bytes + kAddedToHead;
  // As a link's other end (http2_upstream.cc).
  if (session.on_link()) options.max_frame_bytes = Http2Transport::kPiece;
  return options;
}

}  // namespace

// One request.
class Http2Connection::Stream final : public Exchange::Downstream, public http::Http2StreamHandler {
 public:
  explicit Stream(Http2Connection& connection)
      : connection_(connection), exchange_(connection.worker_, connection.owner_, *this) {}

  void Start(int32_t id, const http::RequestHead& head) {
    id_ = id;
    held_.clear();
    trailers_.clear();
    unread_ = 0;
    discarded_ = 0;
    ended_ = false;
    to_head_ = head.method == "HEAD";
    Touch();
    exchange_.Start(head);
    connection_.TickBy(exchange_.ends_ms());
  }

  void Abandon(absl::string_view detail) {
    exchange_.Abandon(Reason::kConnectionReset, detail);
    connection_.OnStreamDone(*this);
  }

  uint64_t ends_ms() const { return exchange_.ends_ms(); }

  void LookAfter(uint64_t now_ms) {
    if (now_ms >= exchange_.ends_ms()) {
      exchange_.OnOutOfPatience();
      return;
    }
    const absl::Duration patience = exchange_.patience();
    if (patience <= absl::ZeroDuration() || patience == absl::InfiniteDuration()) return;
    if (absl::Milliseconds(static_cast<int64_t>(now_ms - touched_ms_)) < patience) return;
    exchange_.OnOutOfPatience();
  }

 private:
  // http::Http2StreamHandler
  void OnStreamBody(absl::Span<const uint8_t> bytes) override {
    Touch();
    unread_ += bytes.size();
    if (exchange_.HoldsRequest() || !held_.empty()) {
      held_.insert(held_.end(), bytes.begin(), bytes.end());
      return;
    }
    Forward(bytes);
  }
  void OnStreamTrailers(absl::Span<const http::Header> trailers) override {
    for (const http::Header& trailer : trailers) {
      trailers_.emplace_back(std::string(trailer.name), std::string(trailer.value));
    }
  }
  void OnStreamEnd() override {
    ended_ = true;
    OnRequestFlows();
  }
  void OnStreamDrained() override {
    Touch();
    exchange_.ResumeResponse();
  }
  void OnStreamClosed(const http::Http2Close& close) override { Abandon(close.detail); }

  // Exchange::Downstream
  void SendResponseHead(const http::ResponseHead& head) override {
    Touch();
    if (head.is_informational()) {
      session().SubmitInterim(id_, fields().OfResponse(head));
      return;
    }
    const bool complete = head.complete || head.framing.kind == BodyKind::kNone ||
                          (head.framing.kind == BodyKind::kLength && head.framing.length == 0);
    session().SubmitResponse(
        id_, fields().OfResponse(head),
        complete ? Http2Session::Message::kComplete : Http2Session::Message::kGoesOn);
  }
  // Of CONNECT: HTTP/2 knows no other.
  void SwitchProtocols(const http::ResponseHead& head) override {
    Touch();
    session().SubmitResponse(id_, fields().OfResponse(head), Http2Session::Message::kGoesOn);
  }
  void SendResponseBody(absl::Span<const uint8_t> bytes) override {
    Touch();
    session().Write(id_, bytes);
  }
  void SendResponseTrailers(absl::Span<const http::Header> trailers) override {
    session().End(id_, fields().OfTrailers(trailers));
  }
  size_t SendAnswer(int status) override {
    const absl::string_view text = AnswerText(status);
    const bool silent = to_head_ || text.empty();
    session().SubmitResponse(
        id_, fields().OfAnswer(status, text.size()),
        silent ? Http2Session::Message::kComplete : Http2Session::Message::kGoesOn);
    if (silent) return 0;
    session().Write(
        id_, absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
    session().End(id_, {});
    return text.size();
  }
  bool response_blocked() const override {
    return connection_.session().buffered_output(id_) > Http2Session::kHighWatermark;
  }
  void OnRequestFlows() override {
    Touch();
    connection_.TickBy(exchange_.ends_ms());
    if (!exchange_.active() || exchange_.waits()) return;
    if (!held_.empty()) {
      if (exchange_.HoldsRequest()) return;
      std::vector<uint8_t> held;
      held.swap(held_);
      Forward(held);
    } else if (!exchange_.HoldsRequest()) {
      session().Consume(id_, std::exchange(unread_, 0));
    }
    if (!ended_ || exchange_.HoldsRequest() || exchange_.request_complete() ||
        !exchange_.active()) {
      return;
    }
    std::vector<http::Header> trailers;
    for (const auto& [name, value] : trailers_) trailers.push_back({name, value});
    exchange_.TakeRequestEnd(trailers);
    exchange_.FinishIfAnswered();
  }
  void OnExchangeDone() override {
    session().End(id_, {});
    session().Release(id_);
    connection_.OnStreamDone(*this);
  }
  void OnExchangeBroken() override {
    session().Reset(id_, Http2Session::ResetCode::kInternal);
    connection_.OnStreamDone(*this);
  }

  void Forward(absl::Span<const uint8_t> bytes) {
    exchange_.TakeRequestBody(bytes);
    if (exchange_.answered()) {
      discarded_ += bytes.size();
      if (discarded_ > kMaxDiscarded) {
        exchange_.FinishAnswered();
        return;
      }
    }
    if (!exchange_.HoldsRequest()) session().Consume(id_, std::exchange(unread_, 0));
  }
  void Touch() { touched_ms_ = connection_.worker_.loop.NowMs(); }
  Http2Session& session() { return connection_.session(); }
  Http2Fields& fields() { return connection_.fields_; }

  Http2Connection& connection_;
  Exchange exchange_;
  int32_t id_ = 0;
  std::vector<uint8_t> held_;  // Until the exchange can take it; the stream's window bounds it.
  std::vector<std::pair<std::string, std::string>> trailers_;
  size_t unread_ = 0;  // Received, and not yet gone on.
  uint64_t discarded_ = 0;
  uint64_t touched_ms_ = 0;
  bool ended_ = false;  // The client has sent all of it.
  bool to_head_ = false;
};

Http2Connection::Http2Connection(WorkerState& worker, HttpSession& session,
                                 std::unique_ptr<net::Stream> stream, absl::Duration validity)
    : worker_(worker),
      owner_(session),
      transport_(std::make_shared<Http2Transport>(worker, *this, std::move(stream),
                                                  ServerOptions(worker, session), "the client")),
      tick_(worker.loop, [this] { OnTick(); }),
      drain_(worker.loop, [this] { OnDrainStep(); }),
      idle_since_ms_(worker.loop.NowMs()) {
  drain_.Set(validity * kDrainShare);
}

Http2Connection::~Http2Connection() { transport_->Abandon(); }

void Http2Connection::Start(absl::Span<const uint8_t> first_bytes) {
  if (owner_.draining()) StartDraining();
  OnTick();
  transport_->Start(first_bytes);
}

// ---- Streams ----

http::Http2StreamHandler* Http2Connection::OnRequestHead(int32_t id,
                                                         const http::RequestHead& head) {
  if (head.is_connect && owner_.TakesTunnels()) {
    auto tunnel = std::make_unique<TunnelStream>(transport_, id);
    TunnelStream* handler = tunnel.get();
    owner_.StartTunnel(std::move(tunnel));
    return handler;
  }
  std::unique_ptr<Stream> owned;
  if (free_.empty()) {
    owned = std::make_unique<Stream>(*this);
  } else {
    owned = std::move(free_.back());
    free_.pop_back();
  }
  Stream* stream = owned.get();
  streams_.emplace(stream, std::move(owned));
  stream->Start(id, head);
  return stream;
}

void Http2Connection::OnStreamDone(Stream& stream) {
  const auto found = streams_.find(&stream);
  if (found == streams_.end()) return;
  done_.push_back(std::move(found->second));
  streams_.erase(found);
  transport_->Wake();
}

void Http2Connection::OnTick() {
  const uint64_t now = worker_.loop.NowMs();
  std::vector<Stream*> all;
  all.reserve(streams_.size());
  for (const auto& [stream, owned] : streams_) all.push_back(stream);
  for (Stream* stream : all) stream->LookAfter(now);
  if (session().streams() > 0) idle_since_ms_ = now;
  const absl::Duration idle = absl::Milliseconds(static_cast<int64_t>(now - idle_since_ms_));
  if (idle >= worker_.options.timeouts.idle) StartDraining();
  absl::Duration next = kTick;
  for (const absl::Duration limit :
       {worker_.options.timeouts.response, worker_.options.timeouts.stream_idle}) {
    if (limit > absl::ZeroDuration()) next = std::min(next, limit);
  }
  ticks_at_ms_ = RequestTime::kNever;
  TickBy(now + static_cast<uint64_t>(absl::ToInt64Milliseconds(next)));
  for (const auto& [stream, owned] : streams_) TickBy(stream->ends_ms());
}

void Http2Connection::TickBy(uint64_t at_ms) {
  if (at_ms >= ticks_at_ms_) return;
  const uint64_t now = worker_.loop.NowMs();
  ticks_at_ms_ = std::max(at_ms, now + kFinestTickMs);
  tick_.Set(absl::Milliseconds(static_cast<int64_t>(ticks_at_ms_ - now)));
}

// ---- The transport ----

void Http2Connection::OnFlushed() {
  for (auto& stream : done_) {
    if (free_.size() < kMaxFree) free_.push_back(std::move(stream));
  }
  done_.clear();
}

void Http2Connection::StartDraining() {
  if (draining_ != Draining::kNo || transport_->closed()) return;
  draining_ = Draining::kAnnounced;
  session().AnnounceDrain();
  drain_.Set(kDrainNotice);
}

void Http2Connection::OnDrainStep() {
  switch (draining_) {
    case Draining::kNo:
      StartDraining();
      break;
    case Draining::kAnnounced:
      draining_ = Draining::kFinal;
      session().FinishDrain();
      break;
    case Draining::kFinal:
      break;
  }
}

void Http2Connection::CutOff(const absl::Status& status) {
  if (transport_->closed()) return;
  transport_->stream().Reset();
  Close(std::string(status.message()));
}

void Http2Connection::Close(const std::string& detail) {
  if (transport_->closed()) return;
  tick_.Clear();
  drain_.Clear();
  transport_->Close(detail);
  // What the session had released or not yet known.
  std::vector<Stream*> rest;
  for (const auto& [stream, owned] : streams_) rest.push_back(stream);
  for (Stream* stream : rest) stream->Abandon(detail);
  owner_.OnConnectionDone();
}

}  // namespace kith::proxy
