#include "source/proxy/http2_upstream.h"

#include <algorithm>
#include <utility>

#include "source/base/check.h"
#include "source/proxy/alpn.h"

namespace kith::proxy {

using http::Http2Session;
using telemetry::Reason;

namespace {

// As for HTTP/1.1 (http1_upstream.cc): before the server side ends it.
constexpr double kFreshShare = 0.8;

Http2Session::Options ClientOptions(const ConnectionFacts& facts) {
  Http2Session::Options options;
  options.role = Http2Session::Role::kClient;
  if (facts.alpn != kLinkAlpn) return options;
  // A whole piece, which then is one write towards the application.
  options.max_frame_bytes = Http2Transport::kPiece;
  // A sidecar's own number: many that wait for a link get one, not one for each hundred.
  options.expected_streams = options.max_streams;
  return options;
}

}  // namespace

// One exchange's stream.
class Http2Upstream::Leg final : public RequestLeg, private http::Http2StreamHandler {
 public:
  explicit Leg(Http2Upstream& link) : link_(link) {}

  void FailUnsent() {
    Failure failure;
    failure.reason = Reason::kUpstreamReset;
    failure.detail = "the connection can take no more streams";
    failure.repeat = Failure::Repeat::kUnseen;
    failure.connection_ended = true;
    Fail(failure);
  }

  // RequestLeg
  void SendHead(const StoredRequest& request, ResponseSink& sink) override {
    sink_ = &sink;
    response_begun_ = response_paused_ = false;
    unread_ = 0;
    moved_ = 0;
    const auto message = request.framing().kind == http::BodyKind::kNone
                             ? Http2Session::Message::kComplete
                             : Http2Session::Message::kGoesOn;
    id_ = session().SubmitRequest(link_.fields_.OfRequest(request, link_.scheme()), message, *this);
    if (id_ != 0) return;
    link_.exhausted_ = true;
    link_.unsent_.push_back(this);
    link_.transport_->Wake();
  }
  void SendBody(absl::Span<const uint8_t> bytes) override {
    NoteMoved(bytes.size());
    session().Write(id_, bytes);
  }
  void SendEnd(absl::Span<const http::Header> trailers) override {
    session().End(id_, link_.fields_.OfTrailers(trailers));
  }
  bool write_blocked() const override {
    return link_.session().buffered_output(id_) > Http2Session::kHighWatermark;
  }
  void PauseResponse() override { response_paused_ = true; }
  void ResumeResponse() override {
    response_paused_ = false;
    session().Consume(id_, std::exchange(unread_, 0));
  }
  void Abandon() override {
    sink_ = nullptr;
    session().Reset(std::exchange(id_, 0), Http2Session::ResetCode::kCancel);
    Leave();
  }

 private:
  // http::Http2StreamHandler
  void OnResponseHead(const http::ResponseHead& head) override {
    response_begun_ = true;
    sink_->OnResponseHead(head);
  }
  void OnStreamBody(absl::Span<const uint8_t> bytes) override {
    unread_ += bytes.size();
    NoteMoved(bytes.size());
    sink_->OnResponseBody(bytes);
    if (sink_ != nullptr && !response_paused_) ResumeResponse();
  }
  void OnStreamTrailers(absl::Span<const http::Header> trailers) override {
    sink_->OnResponseTrailers(trailers);
  }
  void OnStreamEnd() override {
    // Behind an early response, the rest of the request is of no use.
    session().Release(std::exchange(id_, 0));
    ResponseSink* sink = std::exchange(sink_, nullptr);
    Leave();
    sink->OnResponseComplete();
  }
  void OnStreamDrained() override { sink_->OnRequestDrained(); }
  void OnStreamClosed(const http::Http2Close& close) override {
    using Cause = http::Http2Close::Cause;
    Failure failure;
    failure.reason =
        close.cause == Cause::kConnection ? link_.transport_->reason() : Reason::kUpstreamReset;
    failure.detail = close.detail;
    if (close.cause == Cause::kUnprocessed) {
      // After GOAWAY another connection takes it; else it was refused by itself.
      failure.connection_ended = link_.retiring_;
      failure.repeat =
          failure.connection_ended ? Failure::Repeat::kUnseen : Failure::Repeat::kRefused;
    } else if (!response_begun_) {
      failure.connection_ended = close.cause == Cause::kConnection;
      failure.repeat = Failure::Repeat::kIfIdempotent;
    }
    Fail(failure);
  }

  void Fail(const Failure& failure) {
    id_ = 0;
    ResponseSink* sink = std::exchange(sink_, nullptr);
    Leave();
    if (sink != nullptr) sink->OnResponseFailed(failure);
  }
  void NoteMoved(size_t bytes) {
    const bool light = moved_ < Http2Transport::kHeavy;
    moved_ += bytes;
    if (light && moved_ >= Http2Transport::kHeavy) link_.transport_->AddHeavyStream();
  }
  void Leave() {
    if (moved_ >= Http2Transport::kHeavy) link_.transport_->RemoveHeavyStream();
    moved_ = 0;
    link_.OnLegDone(*this);
  }
  Http2Session& session() { return link_.session(); }

  Http2Upstream& link_;
  ResponseSink* sink_ = nullptr;
  int32_t id_ = 0;
  size_t unread_ = 0;   // Received, and not yet gone on.
  uint64_t moved_ = 0;  // Of bodies, both ways.
  bool response_begun_ = false;
  bool response_paused_ = false;
};

Http2Upstream::Http2Upstream(WorkerState& worker, Owner& owner, Dial::Result dialed,
                             absl::Duration idle_timeout)
    : worker_(worker),
      owner_(owner),
      facts_(std::make_shared<const ConnectionFacts>(std::move(dialed.facts))),
      idle_timeout_(idle_timeout),
      stale_at_ms_(worker.AfterShareOf(facts_->Validity(*worker.options.clock), kFreshShare)),
      idle_deadline_(worker.loop, [this] { Go("idle"); }),
      transport_(std::make_shared<Http2Transport>(worker, *this, std::move(dialed.stream),
                                                  ClientOptions(*facts_), "the upstream")) {
  transport_->Start({});
  idle_deadline_.Set(idle_timeout_);
}

Http2Upstream::~Http2Upstream() { transport_->Abandon(); }

bool Http2Upstream::IsFresh() const {
  const bool newest = facts_->context == nullptr || facts_->context == worker_.tls;
  return newest && !retiring_ && !exhausted_ && worker_.loop.NowMs() < stale_at_ms_;
}

bool Http2Upstream::HasRoom() const { return busy_ < transport_->session().stream_limit(); }

RequestLeg& Http2Upstream::NewLeg() {
  KITH_CHECK(!transport_->closed(), "a leg of a closed connection");
  Occupy();
  if (free_.empty()) {
    legs_.push_back(std::make_unique<Leg>(*this));
    return *legs_.back();
  }
  Leg* leg = free_.back();
  free_.pop_back();
  return *leg;
}

std::unique_ptr<TunnelStream> Http2Upstream::AskTunnel(absl::string_view authority,
                                                       TunnelStream::Opener& opener) {
  Occupy();
  auto stream = TunnelStream::Ask(transport_, authority, opener);
  if (stream == nullptr) exhausted_ = true;
  return stream;
}

void Http2Upstream::Occupy() {
  idle_deadline_.Clear();
  ++busy_;
}

void Http2Upstream::OnLegDone(Leg& leg) {
  free_.push_back(&leg);
  OnStreamDone();
}

void Http2Upstream::OnStreamDone() {
  --busy_;
  if (busy_ > 0 || transport_->closed()) return;
  idle_deadline_.Set(idle_timeout_);
  // Not from inside the session's callback.
  if (retiring_ || exhausted_) transport_->Wake();
}

void Http2Upstream::Retire() {
  retiring_ = true;
  transport_->Wake();
}

void Http2Upstream::OnTurnEnds() {
  std::vector<Leg*> unsent;
  unsent.swap(unsent_);
  for (Leg* leg : unsent) leg->FailUnsent();
}

void Http2Upstream::OnFlushed() {
  if ((retiring_ || exhausted_) && busy_ == 0 && session().streams() == 0) Go("retired");
}

void Http2Upstream::Close() {
  retiring_ = true;
  idle_deadline_.Clear();
  transport_->Abandon();
}

void Http2Upstream::Go(const std::string& detail) {
  if (transport_->closed()) return;
  retiring_ = true;
  idle_deadline_.Clear();
  transport_->Close(detail);
  owner_.OnGone(*this);
}

}  // namespace kith::proxy
