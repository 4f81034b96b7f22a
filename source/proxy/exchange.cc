#include "source/proxy/exchange.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "source/proxy/grpc_timeout.h"
#include "source/proxy/local_answer.h"
#include "source/proxy/peer_headers.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

constexpr int kHeadTooLarge = 431;
constexpr int kNotImplemented = 501;

mesh::Outcome OutcomeOf(int status) {
  if (status >= 502 && status <= 504) return mesh::Outcome::kGatewayError;
  return status >= 500 ? mesh::Outcome::kError : mesh::Outcome::kGood;
}

}  // namespace

bool Exchange::HoldsRequest() const {
  switch (phase_) {
    case Phase::kDeciding:
    case Phase::kConnecting:
      return true;
    case Phase::kForwarding:
      // What comes behind a CONNECT is the tunnel's. To a server that refuses the tunnel it would
      // be a request that nobody has judged.
      if (request_.switches() == StoredRequest::Switch::kConnect &&
          !StoredRequest::IsGranted(request_.switches(), record_.status)) {
        return true;
      }
      return request_complete_ || leg_->write_blocked();
    default:
      return false;
  }
}

// ---- The request's way ----

void Exchange::Start(const http::RequestHead& head) {
  StartRecord();
  record_.host.assign(head.host.data(), head.host.size());
  time_.Start(worker_.loop.NowMs(), worker_.options.timeouts.request, head);
  phase_ = Phase::kDeciding;
  Routing routing = session_.Route(head, request_, record_,
                                   [this](Routing later) { OnDecided(std::move(later)); });
  record_.request = &request_;
  Apply(std::move(routing));
}

void Exchange::OnDecided(Routing routing) {
  worker_.loop.DeleteLater(std::move(waiting_));
  Apply(std::move(routing));
  FinishIfAnswered();
  downstream_.OnRequestFlows();
}

void Exchange::Apply(Routing routing) {
  switch (routing.verdict) {
    case Routing::Verdict::kForward:
      response_headers_ = std::move(routing.response_headers);
      StartAttempt();
      break;
    case Routing::Verdict::kRefuse:
      if (routing.reply != nullptr) {
        AnswerWith(*routing.reply);
      } else {
        Answer(routing.status, record_.reason);
      }
      break;
    case Routing::Verdict::kPending:
      waiting_ = std::move(routing.waiting);
      if (routing.reader != nullptr) Collect(*routing.reader);
      break;
  }
}

void Exchange::Collect(BodyReader& reader) {
  phase_ = Phase::kCollecting;
  kept_ = std::make_unique<KeptBody>(KeptBody{.reader = &reader, .bytes = {}, .trailers = {}});
  if (request_.framing().kind == http::BodyKind::kNone ||
      http::Find(request_.headers(), "expect") == nullptr) {
    return;
  }
  // Nobody else would tell the client to go on before the verdict (RFC 9110 §10.1.1).
  http::ResponseHead go_on;
  go_on.status = 100;
  downstream_.SendResponseHead(go_on);
  const std::string path(request_.path());
  request_.Edit(path, {"expect"}, {});
}

void Exchange::ShowBody(BodyReader::Extent extent) {
  phase_ = Phase::kDeciding;
  const absl::string_view bytes = kept_->bytes;
  kept_->reader->OnBody(bytes.substr(0, kept_->reader->wanted()), extent);
}

void Exchange::StartAttempt() {
  endpoint_ = session_.Choose(tried_, record_);
  if (endpoint_ == nullptr) {
    Answer(StatusOf(record_.reason), record_.reason);
    return;
  }
  BeginAttempt();
}

void Exchange::BeginAttempt() {
  const uint64_t now_ms = worker_.loop.NowMs();
  record_.endpoint = endpoint_.get();
  endpoint_->AddActive();
  if (retries_ == 0 && repeats_ == 0) endpoint_->group()->retries().AddRequest(now_ms);
  if (request_complete_ || request_.framing().kind == http::BodyKind::kNone) {
    time_.StartTry(now_ms, worker_.options.timeouts.per_try);
  }
  const bool alone = request_.switches() != StoredRequest::Switch::kNone;
  if (alone && !endpoint_->MaySpeakHttp1()) {
    record_.detail = "the application speaks HTTP/2, which has no such request";
    LeaveEndpoint();
    Answer(kNotImplemented, Reason::kBadRequest);
    return;
  }
  if (!alone) {
    if (const Endpoint::Leg ready = endpoint_->TakeLeg(); ready.leg != nullptr) {
      ForwardOver(ready);
      return;
    }
  }
  if (!endpoint_->group()->MayAwaitConnection()) {
    LeaveEndpoint();
    Answer(StatusOf(Reason::kCircuitOpen), Reason::kCircuitOpen);
    return;
  }
  phase_ = Phase::kConnecting;
  waits_for_leg_ = UpstreamGroup::Await(endpoint_->group());
  auto on_leg = [this](Endpoint::Leg leg) { OnLeg(std::move(leg)); };
  // What may become another protocol has a connection of its own from the beginning.
  waiting_ = alone ? endpoint_->AwaitOwnLeg(on_leg) : endpoint_->AwaitLeg(on_leg);
}

void Exchange::OnLeg(Endpoint::Leg leg) {
  worker_.loop.DeleteLater(std::move(waiting_));
  waits_for_leg_.Return();
  if (leg.status.ok()) {
    ForwardOver(leg);
  } else {
    if (leg.reason != Reason::kNoIdentity) RecordOutcome(mesh::Outcome::kGatewayError);
    record_.reason = leg.reason;
    record_.detail = std::string(leg.status.message());
    OnConnectFailed();
  }
  downstream_.OnRequestFlows();
}

void Exchange::ForwardOver(const Endpoint::Leg& leg) {
  leg_ = leg.leg;
  phase_ = Phase::kForwarding;
  record_.upstream = leg.facts;
  record_.reason = Reason::kNone;
  record_.detail.clear();
  if (const auto left = time_.GrpcTimeout(worker_.loop.NowMs())) {
    request_.Edit(request_.path(), {kGrpcTimeout}, {http::Header{kGrpcTimeout, *left}});
  }
  leg_->SendHead(request_, *this);
  if (kept_ != nullptr) {
    leg_->SendBody(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(kept_->bytes.data()),
                                       kept_->bytes.size()));
  }
  if (!request_complete_) return;
  std::vector<http::Header> trailers;
  if (kept_ != nullptr) {
    for (const auto& [name, value] : kept_->trailers) trailers.push_back({name, value});
  }
  SendEnd(trailers);
}

void Exchange::TakeRequestBody(absl::Span<const uint8_t> bytes) {
  record_.request_bytes += bytes.size();
  if (phase_ == Phase::kCollecting) {
    kept_->bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (kept_->bytes.size() > kept_->reader->wanted()) ShowBody(BodyReader::Extent::kBeginning);
    return;
  }
  if (phase_ != Phase::kForwarding) return;
  body_sent_ = true;
  leg_->SendBody(bytes);
}

void Exchange::TakeRequestEnd(absl::Span<const http::Header> trailers) {
  request_complete_ = true;
  if (phase_ == Phase::kCollecting) {
    for (const http::Header& trailer : trailers) {
      kept_->trailers.emplace_back(trailer.name, trailer.value);
    }
    ShowBody(BodyReader::Extent::kWhole);
    return;
  }
  if (phase_ != Phase::kForwarding) return;
  if (!response_begun_ && request_.framing().kind != http::BodyKind::kNone) {
    // How long the client took for it is not the other side's fault.
    time_.StartTry(worker_.loop.NowMs(), worker_.options.timeouts.per_try);
  }
  SendEnd(trailers);
}

void Exchange::SendEnd(absl::Span<const http::Header> trailers) {
  // Applications may merge trailers into the headers.
  const auto is_dropped = [](const http::Header& trailer) {
    for (absl::string_view name : PeerHeaders::Dropped()) {
      if (NamesHeader(name, trailer.name)) return true;
    }
    return false;
  };
  if (std::none_of(trailers.begin(), trailers.end(), is_dropped)) {
    leg_->SendEnd(trailers);
    return;
  }
  std::vector<http::Header> kept;
  std::remove_copy_if(trailers.begin(), trailers.end(), std::back_inserter(kept), is_dropped);
  leg_->SendEnd(kept);
}

// ---- The response's way ----

void Exchange::Switch(const http::ResponseHead& head) {
  request_complete_ = false;  // It goes on as bytes, for as long as they flow.
  time_.Clear();
  http::ResponseHead switched = head;
  // What would be a length has no meaning, and clients have read it (RFC 9110 §9.3.6).
  const auto is_length = [](const http::Header& header) {
    return absl::EqualsIgnoreCase(header.name, "content-length");
  };
  switched.headers.erase(
      std::remove_if(switched.headers.begin(), switched.headers.end(), is_length),
      switched.headers.end());
  downstream_.SwitchProtocols(switched);
  downstream_.OnRequestFlows();
}

void Exchange::OnResponseHead(const http::ResponseHead& head) {
  if (!head.is_informational()) {
    response_begun_ = true;
    record_.status = head.status;
    RecordOutcome(OutcomeOf(head.status));
    response_has_end_ = head.framing.kind == http::BodyKind::kLength;
    time_.EndTry();
    if (failovers_ > 0) endpoint_->group()->retries().GiveBack(worker_.loop.NowMs(), failovers_);
  }
  if (StoredRequest::IsGranted(request_.switches(), head.status)) {
    Switch(head);
    return;
  }
  if (response_headers_.empty() || head.is_informational()) {
    downstream_.SendResponseHead(head);
    return;
  }
  http::ResponseHead more = head;
  for (const auto& [name, value] : response_headers_) more.headers.push_back({name, value});
  downstream_.SendResponseHead(more);
}

void Exchange::OnResponseBody(absl::Span<const uint8_t> bytes) {
  record_.response_bytes += bytes.size();
  downstream_.SendResponseBody(bytes);
  if (leg_ != nullptr && downstream_.response_blocked()) leg_->PauseResponse();
}

void Exchange::OnResponseTrailers(absl::Span<const http::Header> trailers) {
  downstream_.SendResponseTrailers(trailers);
}

void Exchange::OnResponseComplete() {
  leg_ = nullptr;
  Finish();
}

void Exchange::ResumeResponse() {
  if (leg_ != nullptr) leg_->ResumeResponse();
}

void Exchange::OnResponseFailed(const Failure& failure) {
  leg_ = nullptr;
  if (!failure.connection_ended) RecordOutcome(mesh::Outcome::kGatewayError);
  if (response_begun_) {
    Break(failure.reason, failure.detail);
    return;
  }
  const std::shared_ptr<UpstreamGroup> group = endpoint_->group();
  LeaveEndpoint();
  if (!Repeat(failure, group)) {
    record_.detail = failure.detail;
    Answer(StatusOf(failure.reason), failure.reason);
  }
  FinishIfAnswered();
  downstream_.OnRequestFlows();
}

// ---- Answers from here ----

void Exchange::Answer(int status, Reason reason) {
  phase_ = Phase::kAnswered;
  record_.status = status;
  record_.reason = reason;
  response_begun_ = true;
  record_.response_bytes = downstream_.SendAnswer(status);
}

void Exchange::AnswerWith(const Reply& reply) {
  phase_ = Phase::kAnswered;
  record_.status = reply.status;
  response_begun_ = true;
  record_.response_bytes = downstream_.SendReply(reply, request_.method());
}

size_t Exchange::Downstream::SendReply(const Reply& reply, absl::string_view method) {
  http::ResponseHead head;
  head.status = reply.status;
  for (const auto& [name, value] : reply.headers) head.headers.push_back({name, value});
  const std::string length = std::to_string(reply.body.size());
  head.headers.push_back({"content-length", length});
  const bool has_body = !reply.body.empty() && method != "HEAD";
  if (has_body) head.framing = {http::BodyKind::kLength, reply.body.size()};
  SendResponseHead(head);
  if (!has_body) return 0;
  SendResponseBody(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(reply.body.data()), reply.body.size()));
  return reply.body.size();
}

void Exchange::FinishIfAnswered() {
  if (request_complete_) FinishAnswered();
}

void Exchange::FinishAnswered() {
  if (phase_ == Phase::kAnswered) Finish();
}

void Exchange::Fail(int status, Reason reason, absl::string_view detail) {
  if (phase_ == Phase::kNone) return;
  if (phase_ != Phase::kAnswered) {
    if (response_begun_) {
      Break(reason, detail);
      return;
    }
    record_.detail.assign(detail.data(), detail.size());
    ReleaseLeg();
    Answer(status, reason);
  }
  Finish();
}

void Exchange::RefuseUnread(int status, absl::string_view detail) {
  StartRecord();
  record_.detail.assign(detail.data(), detail.size());
  Answer(status, status == kHeadTooLarge ? Reason::kRequestTooLarge : Reason::kBadRequest);
  Finish();
}

// ---- Its end ----

void Exchange::Break(Reason reason, absl::string_view detail) {
  if (phase_ == Phase::kNone) return;
  Abandon(reason, detail);
  downstream_.OnExchangeBroken();
}

void Exchange::Abandon(Reason reason, absl::string_view detail) {
  if (phase_ == Phase::kNone) return;
  if (phase_ != Phase::kAnswered) {
    record_.reason = reason;
    record_.detail.assign(detail.data(), detail.size());
  }
  ReleaseLeg();
  Report();
}

void Exchange::RecordOutcome(mesh::Outcome outcome) {
  if (endpoint_ != nullptr) endpoint_->Record(outcome);
}

void Exchange::ReleaseLeg() {
  waits_for_leg_.Return();
  if (waiting_ != nullptr) worker_.loop.DeleteLater(std::move(waiting_));
  if (leg_ != nullptr) std::exchange(leg_, nullptr)->Abandon();
}

void Exchange::LeaveEndpoint() {
  if (endpoint_ != nullptr) endpoint_->RemoveActive();
  endpoint_ = nullptr;
  record_.upstream = nullptr;
}

void Exchange::StartRecord() {
  record_ = RequestRecord();
  response_headers_.clear();
  record_.started = worker_.options.clock->Now();
  request_complete_ = response_begun_ = body_sent_ = false;
  repeats_ = 0;
  retries_ = failovers_ = 0;
  tried_.clear();
}

void Exchange::Report() {
  phase_ = Phase::kNone;
  kept_ = nullptr;
  record_.duration = std::max(worker_.options.clock->Now() - record_.started, absl::ZeroDuration());
  session_.OnRequestDone(record_);
  retrying_.Return();
  LeaveEndpoint();
  record_.endpoint = nullptr;
}

void Exchange::Finish() {
  Report();
  downstream_.OnExchangeDone();
}

}  // namespace kith::proxy
