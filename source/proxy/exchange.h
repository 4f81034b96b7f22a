// One request after another on its way: decided, sent to an endpoint, sent again where that is
// safe, answered from there or from here, recorded. An HTTP/1.1 connection has one exchange, an
// HTTP/2 connection one for each stream.
// Threads: the worker's loop. Owns: the request's head and the way to its endpoint; borrows the
// session, the downstream and, while it forwards, a leg.
// Errors: a failed upstream is answered with 502, 503 or 504 without detail, or, once the response
// has begun, by breaking it off.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "source/event/loop.h"
#include "source/proxy/endpoint.h"
#include "source/proxy/reply.h"
#include "source/proxy/request_leg.h"
#include "source/proxy/request_time.h"
#include "source/proxy/stored_request.h"
#include "source/proxy/tunnel_stream.h"
#include "source/proxy/worker_state.h"

namespace kith::proxy {

// What became of one request, for metrics and the access log. The views die with the callback.
struct RequestRecord {
  absl::Time started;
  absl::Duration duration;
  const StoredRequest* request = nullptr;  // Null when no sound head was received.
  std::string host;
  std::string request_id;
  int status = 0;  // Sent downstream; 0 when none was.
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  bool decided = false;  // A policy decision was made.
  bool allowed = false;
  DecidingRule by;
  PolicyMarks marks;
  std::string request_principal;  // Whom its verified token is for: "issuer/subject".
  telemetry::Reason reason = telemetry::Reason::kNone;
  std::string detail;                         // For logs only.
  const Endpoint* endpoint = nullptr;         // Where it went, if anywhere.
  const ConnectionFacts* upstream = nullptr;  // Of the connection it went over.
};

// A verdict that wants the beginning of the request's body first.
class BodyReader : public event::Deletable {
 public:
  enum class Extent : uint8_t { kWhole, kBeginning };
  virtual size_t wanted() const = 0;
  // Once: all of the body, or its first wanted() bytes. They stay until the verdict, which is not
  // given before this returned.
  virtual void OnBody(absl::string_view body, Extent extent) = 0;
};

// Whether a request goes on.
struct Routing {
  enum class Verdict : uint8_t { kForward, kRefuse, kPending };

  static Routing Forward() { return {}; }
  // The reason is in the record.
  static Routing Refuse(int status) { return {Verdict::kRefuse, status, nullptr, nullptr}; }
  // The same with an answer of its own.
  static Routing Refuse(Reply reply) {
    const int status = reply.status;
    return {Verdict::kRefuse, status, nullptr, std::make_unique<Reply>(std::move(reply))};
  }
  // The verdict comes later. Destroying `waiting` (the exchange does, when the client goes away)
  // abandons it.
  static Routing Pending(std::unique_ptr<event::Deletable> waiting) {
    return {Verdict::kPending, 0, std::move(waiting), nullptr};
  }
  static Routing AfterBody(std::unique_ptr<BodyReader> waiting) {
    BodyReader* const reader = waiting.get();
    return {Verdict::kPending, 0, std::move(waiting), nullptr, {}, reader};
  }

  Verdict verdict = Verdict::kForward;
  int status = 0;  // Of a refusal.
  std::unique_ptr<event::Deletable> waiting;
  std::unique_ptr<Reply> reply;  // To a refusal; null: what its status says.
  // Of a request that goes on: what its response gains.
  std::vector<std::pair<std::string, std::string>> response_headers = {};
  BodyReader* reader = nullptr;  // `waiting`, if it wants the body first.
};

// The session around a connection: policy, destination, observation.
class HttpSession {
 public:
  // Called once, not before Route() returned, after Routing::Pending(): never with kPending again.
  using Decided = absl::AnyInvocable<void(Routing)>;

  virtual ~HttpSession() = default;
  // Decides a request: fills `out` with what is forwarded, and `record` with why. `head` dies with
  // the call; `out` and `record` stay until the exchange ends or `waiting` is destroyed.
  virtual Routing Route(const http::RequestHead& head, StoredRequest& out, RequestRecord& record,
                        Decided decided) = 0;
  // Where to send it; none of `tried`. Null when nothing is left; the reason is then in `record`,
  // unless an earlier attempt has left one there.
  virtual std::shared_ptr<Endpoint> Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                           RequestRecord& record) = 0;
  virtual void OnRequestDone(const RequestRecord& record) = 0;
  // The client speaks HTTP/2 from its first byte on: the HTTP/1.1 connection gives it up.
  virtual void StartHttp2(std::unique_ptr<net::Stream> stream,
                          absl::Span<const uint8_t> first_bytes) = 0;
  // A connection that begins now is to end after its first request.
  virtual bool draining() const { return false; }
  // The client is another sidecar that speaks `kith/1`.
  virtual bool on_link() const { return false; }
  // Whether CONNECT on a link asks for opaque bytes; StartTunnel() is then called for each.
  virtual bool TakesTunnels() const { return false; }
  virtual void StartTunnel(std::unique_ptr<TunnelStream>) {}
  // The connection is closed. The session goes to Loop::DeleteLater().
  virtual void OnConnectionDone() = 0;
};

class Exchange final : private ResponseSink {
 public:
  // Who made the request.
  class Downstream {
   public:
    virtual ~Downstream() = default;
    virtual void SendResponseHead(const http::ResponseHead& head) = 0;  // Also 1xx.
    virtual void SendResponseBody(absl::Span<const uint8_t> bytes) = 0;
    virtual void SendResponseTrailers(absl::Span<const http::Header> trailers) = 0;
    // A whole answer of the sidecar's own; returns how long its body is.
    virtual size_t SendAnswer(int status) = 0;
    // The same with a reply, to a request of this method. What is not overridden sends it as a
    // response that an upstream might have sent.
    virtual size_t SendReply(const Reply& reply, absl::string_view method);
    // The response after which bytes go both ways until either side ends: 101, or 2xx to CONNECT.
    virtual void SwitchProtocols(const http::ResponseHead& head) = 0;
    virtual bool response_blocked() const = 0;
    // Exchange::HoldsRequest() may have changed: the request's body may flow.
    virtual void OnRequestFlows() = 0;
    // The response is sent whole, and the request recorded; another may start.
    virtual void OnExchangeDone() = 0;
    // The response has begun and cannot be completed: the client must not take it for whole.
    virtual void OnExchangeBroken() = 0;
  };

  Exchange(WorkerState& worker, HttpSession& session, Downstream& downstream)
      : worker_(worker), session_(session), downstream_(downstream) {}

  bool active() const { return phase_ != Phase::kNone; }
  // For a verdict or a leg: nothing of the request goes on.
  bool waits() const { return phase_ == Phase::kDeciding || phase_ == Phase::kConnecting; }
  // Answered from here; the rest of the request is discarded.
  bool answered() const { return phase_ == Phase::kAnswered; }
  bool request_complete() const { return request_complete_; }
  bool response_begun() const { return response_begun_; }
  // No more of the request can be taken now.
  bool HoldsRequest() const;

  // The request, in this order. A body comes only while HoldsRequest() is false.
  void Start(const http::RequestHead& head);
  void TakeRequestBody(absl::Span<const uint8_t> bytes);
  void TakeRequestEnd(absl::Span<const http::Header> trailers);
  // Ends an exchange that was answered from here: once its request has ended too, or without it.
  void FinishIfAnswered();
  void FinishAnswered();
  // Ends an exchange whose request cannot be completed: with an answer if none has begun.
  void Fail(int status, telemetry::Reason reason, absl::string_view detail);
  // What is no request at all is answered and recorded too.
  void RefuseUnread(int status, absl::string_view detail);

  // The downstream's output has drained.
  void ResumeResponse();
  // How long nothing may move; zero is without limit.
  absl::Duration patience() const;
  // When it is over, or its try, whatever moves: RequestTime::kNever, or as the loop counts.
  uint64_t ends_ms() const {
    return active() && !answered() ? time_.next_ms() : RequestTime::kNever;
  }
  // One of the two has passed.
  void OnOutOfPatience();
  // Breaks the exchange off: also towards the downstream, or because that is gone.
  void Break(telemetry::Reason reason, absl::string_view detail);
  void Abandon(telemetry::Reason reason, absl::string_view detail);

 private:
  enum class Phase : uint8_t {
    kNone,        // No request.
    kCollecting,  // Its verdict wants the beginning of its body first.
    kDeciding,    // Its verdict is still to come.
    kConnecting,  // It waits for a leg.
    kForwarding,  // It goes over leg_.
    kAnswered,
  };

  // ResponseSink
  void OnResponseHead(const http::ResponseHead& head) override;
  void OnResponseBody(absl::Span<const uint8_t> bytes) override;
  void OnResponseTrailers(absl::Span<const http::Header> trailers) override;
  void OnResponseComplete() override;
  void OnResponseFailed(const Failure& failure) override;
  void OnRequestDrained() override { downstream_.OnRequestFlows(); }

  // What a verdict has been shown goes on from here, behind the head.
  struct KeptBody {
    BodyReader* reader;
    std::string bytes;
    std::vector<std::pair<std::string, std::string>> trailers;
  };

  void StartRecord();
  void Collect(BodyReader& reader);
  void ShowBody(BodyReader::Extent extent);
  void SendEnd(absl::Span<const http::Header> trailers);
  void Apply(Routing routing);
  void OnDecided(Routing routing);
  void StartAttempt();
  void BeginAttempt();
  void Switch(const http::ResponseHead& head);
  void OnLeg(Endpoint::Leg leg);
  void ForwardOver(const Endpoint::Leg& leg);
  void LeaveEndpoint();
  void RecordOutcome(mesh::Outcome outcome);
  void ReleaseLeg();
  void Answer(int status, telemetry::Reason reason);
  void AnswerWith(const Reply& reply);
  // What becomes of a request that got no response: the next try begins, now or later, unless the
  // result is false.
  bool MayRepeat(const Failure& failure) const;
  bool Repeat(const Failure& failure, const std::shared_ptr<UpstreamGroup>& group);
  // Nothing of it was sent: another endpoint may have it, whatever its method.
  bool FailOver(const std::shared_ptr<UpstreamGroup>& group);
  bool TakeRetry(const std::shared_ptr<UpstreamGroup>& group);
  void RetryLater();
  // The present try has failed, with the failure in the record.
  void OnConnectFailed();
  void OnTryOver();
  void OnRequestOver();
  void Report();
  void Finish();

  WorkerState& worker_;
  HttpSession& session_;
  Downstream& downstream_;
  Phase phase_ = Phase::kNone;
  StoredRequest request_;
  RequestRecord record_;
  std::vector<std::pair<std::string, std::string>> response_headers_;  // That are added to it.
  std::unique_ptr<KeptBody> kept_;                                     // Null: nothing is kept.
  std::shared_ptr<Endpoint> endpoint_;
  std::vector<std::shared_ptr<Endpoint>> tried_;
  std::unique_ptr<event::Deletable> waiting_;  // For a verdict, a leg or the next try.
  UpstreamGroup::Ticket waits_for_leg_;
  RequestLeg* leg_ = nullptr;
  RequestTime time_;
  int repeats_ = 0;         // Over another connection, as the first had ended.
  uint32_t retries_ = 0;    // Within the budget,
  uint32_t failovers_ = 0;  // and those of them that found no connection.
  UpstreamGroup::Ticket retrying_;
  bool body_sent_ = false;  // Bytes that are not kept went over a leg.
  bool request_complete_ = false;
  bool response_begun_ = false;
  bool response_has_end_ = false;  // Its length is told: nothing can be put in place of its rest.
};

}  // namespace kith::proxy
