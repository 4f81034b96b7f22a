// Of an exchange: what is tried again, and what happens when its time is over.
#include <utility>

#include "source/proxy/backoff.h"
#include "source/proxy/exchange.h"
#include "source/proxy/local_answer.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

// Of a request that found a connection which had just gone.
constexpr int kMaxRepeats = 2;

}  // namespace

// ---- What is sent again ----

bool Exchange::TakeRetry(const std::shared_ptr<UpstreamGroup>& group) {
  const RetryLimits& limits = worker_.options.retries;
  if (retries_ >= limits.attempts) return false;
  retrying_.Return();
  if (!group->TakeRetry(worker_.loop.NowMs(), limits)) {
    worker_.observer.CountRetryOverBudget();
    return false;
  }
  retrying_ = UpstreamGroup::Retry(group);
  ++retries_;
  return true;
}

void Exchange::RetryLater() {
  phase_ = Phase::kConnecting;
  time_.EndTry();
  const double drawn = absl::Uniform(worker_.random, 0.0, 1.0);
  waiting_ = std::make_unique<Backoff>(worker_.loop, Backoff::Wait(retries_, drawn), [this] {
    worker_.loop.DeleteLater(std::move(waiting_));
    StartAttempt();
    FinishIfAnswered();
    downstream_.OnRequestFlows();
  });
}

bool Exchange::FailOver(const std::shared_ptr<UpstreamGroup>& group) {
  endpoint_ = session_.Choose(tried_, record_);
  if (endpoint_ == nullptr) return false;
  if (!TakeRetry(group)) {
    endpoint_ = nullptr;
    return false;
  }
  ++failovers_;
  worker_.observer.CountRetry(record_.reason);
  if (failovers_ == 1) {
    // It is another endpoint, which has done nothing wrong.
    BeginAttempt();
  } else {
    endpoint_ = nullptr;
    RetryLater();
  }
  return true;
}

bool Exchange::MayRepeat(const Failure& failure) const {
  if (body_sent_) return false;
  switch (failure.repeat) {
    case Failure::Repeat::kNever:
      return false;
    case Failure::Repeat::kIfIdempotent:
      return request_.CanBeRepeated();
    case Failure::Repeat::kRefused:
      return true;
    case Failure::Repeat::kUnseen:
      return repeats_ < kMaxRepeats;
  }
  return false;
}

bool Exchange::Repeat(const Failure& failure, const std::shared_ptr<UpstreamGroup>& group) {
  if (!MayRepeat(failure)) return false;
  // What nobody has looked at costs nobody anything: the next connection gets it at once.
  const bool unseen = failure.repeat == Failure::Repeat::kUnseen;
  if (!unseen && !TakeRetry(group)) return false;
  worker_.observer.CountRetry(failure.reason);
  if (unseen) {
    ++repeats_;
    StartAttempt();
  } else {
    RetryLater();
  }
  return true;
}

void Exchange::OnConnectFailed() {
  tried_.push_back(endpoint_);
  const std::shared_ptr<UpstreamGroup> group = endpoint_->group();
  LeaveEndpoint();
  if (!FailOver(group)) Answer(StatusOf(record_.reason), record_.reason);
  FinishIfAnswered();
}

// ---- Its time ----

absl::Duration Exchange::patience() const {
  const Timeouts& timeouts = worker_.options.timeouts;
  switch (phase_) {
    case Phase::kCollecting:
      return timeouts.idle;
    case Phase::kForwarding:
      if (!response_begun_ && request_complete_ && timeouts.response > absl::ZeroDuration()) {
        return timeouts.response;
      }
      if (request_.switches() == StoredRequest::Switch::kNone &&
          timeouts.stream_idle > absl::ZeroDuration()) {
        return timeouts.stream_idle;
      }
      return timeouts.idle;
    case Phase::kAnswered:
      return timeouts.head;
    default:  // Decisions and dials have their own limits.
      return absl::ZeroDuration();
  }
}

void Exchange::OnOutOfPatience() {
  const uint64_t now_ms = worker_.loop.NowMs();
  if (phase_ != Phase::kAnswered && time_.over(now_ms)) {
    OnRequestOver();
  } else if (phase_ != Phase::kAnswered && time_.try_over(now_ms)) {
    OnTryOver();
  } else if (phase_ == Phase::kForwarding && !response_begun_) {
    worker_.observer.CountTimeout(request_complete_ ? "response" : "stream_idle");
    RecordOutcome(mesh::Outcome::kGatewayError);
    Fail(504, Reason::kUpstreamTimeout, "no response in time");
  } else if (phase_ == Phase::kCollecting) {
    Fail(408, Reason::kIdleTimeout, "the rest of a body that an authorizer is shown did not come");
  } else if (!waits()) {
    if (phase_ == Phase::kForwarding) worker_.observer.CountTimeout("stream_idle");
    Break(Reason::kUpstreamTimeout, "nothing moved for too long");
  }
}

void Exchange::OnTryOver() {
  worker_.observer.CountTimeout("per_try");
  RecordOutcome(mesh::Outcome::kGatewayError);
  record_.reason = Reason::kUpstreamTimeout;
  record_.detail = "no response to one try in time";
  time_.EndTry();
  const bool sent = phase_ == Phase::kForwarding;
  ReleaseLeg();
  if (!sent) {
    OnConnectFailed();
  } else {
    const std::shared_ptr<UpstreamGroup> group = endpoint_->group();
    LeaveEndpoint();
    Failure failure;
    failure.reason = Reason::kUpstreamTimeout;
    failure.repeat = Failure::Repeat::kIfIdempotent;
    if (!Repeat(failure, group)) Answer(StatusOf(record_.reason), record_.reason);
    FinishIfAnswered();
  }
  downstream_.OnRequestFlows();
}

void Exchange::OnRequestOver() {
  constexpr absl::string_view kDetail = "the request's time is over";
  worker_.observer.CountTimeout("request");
  if (phase_ == Phase::kForwarding && !response_begun_) {
    RecordOutcome(mesh::Outcome::kGatewayError);
  }
  if (!IsGrpc(request_.headers())) {
    Fail(StatusOf(Reason::kDeadlineExceeded), Reason::kDeadlineExceeded, kDetail);
    return;
  }
  record_.reason = Reason::kDeadlineExceeded;
  record_.detail.assign(kDetail.data(), kDetail.size());
  const bool begun = response_begun_;
  ReleaseLeg();
  const Reply reply = Reply::GrpcDeadlineExceeded(kDetail);
  if (!begun) {
    AnswerWith(reply);
  } else if (response_has_end_) {
    Break(Reason::kDeadlineExceeded, kDetail);
    return;
  } else {
    downstream_.SendResponseTrailers({{reply.headers[1].first, reply.headers[1].second},
                                      {reply.headers[2].first, reply.headers[2].second}});
  }
  Finish();
}

}  // namespace kith::proxy
