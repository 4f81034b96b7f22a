#include "source/proxy/inbound_tunnel.h"

#include <utility>

#include "source/proxy/judge.h"
#include "source/proxy/local_answer.h"
#include "source/proxy/proxy_protocol.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

// The mesh's word against the peer, rather than something that failed.
bool IsPolicys(Reason reason) {
  return reason == Reason::kPolicyDenied || reason == Reason::kExternalDenied ||
         reason == Reason::kExternalFailed;
}

// What the far sidecar is answered on a link.
int AnswerTo(Reason reason) {
  if (IsPolicys(reason)) return 403;
  return reason == Reason::kRateLimited ? 429 : StatusOf(reason);
}

}  // namespace

InboundTunnel::InboundTunnel(WorkerState& worker, SessionSet& sessions, Origin origin,
                             std::unique_ptr<net::Stream> stream, std::vector<uint8_t> first_bytes)
    : worker_(worker),
      sessions_(sessions),
      origin_(std::move(origin)),
      stream_(std::move(stream)),
      first_bytes_(std::move(first_bytes)) {
  worker_.observer.AddConnections(Observer::Direction::kInbound, 1);
}

InboundTunnel::InboundTunnel(WorkerState& worker, SessionSet& sessions, Origin origin,
                             std::unique_ptr<TunnelStream> stream)
    : worker_(worker),
      sessions_(sessions),
      origin_(std::move(origin)),
      stream_(std::move(stream)),
      offered_(static_cast<TunnelStream*>(stream_.get())) {
  worker_.observer.AddConnections(Observer::Direction::kInbound, 1);
}

InboundTunnel::~InboundTunnel() {
  worker_.observer.AddConnections(Observer::Direction::kInbound, -1);
}

void InboundTunnel::Start() {
  if (sessions_.size() > worker_.options.limits.connections) {
    Refuse(Reason::kOverload, "as many connections as are allowed");
    return;
  }
  if (!AskFirst()) DecideAndDial();
}

bool InboundTunnel::AskFirst() {
  asked_by_ = worker_.config.policies;
  asking_ = AskAboutConnection(worker_, Peer(), origin_.facts->own_principal(),
                               [this](CustomAnswer answer) { OnAsked(std::move(answer)); });
  return asking_ != nullptr;
}

void InboundTunnel::OnAsked(CustomAnswer answer) {
  worker_.loop.DeleteLater(std::move(asking_));
  if (answer.allowed) {
    // Newer policies may want another answer.
    if (asked_by_ != worker_.config.policies && AskFirst()) return;
    if (tunnel_ == nullptr) DecideAndDial();
    return;
  }
  if (tunnel_ != nullptr) {
    tunnel_->Abort(absl::PermissionDeniedError("the authorizer no longer allows the connection"));
    return;
  }
  worker_.observer.CountDecision(policy::Request::Kind::kTcp, answer.decision);
  by_ = DecidingRule::Of(answer.decision);
  Refuse(answer.reason, std::move(answer.detail));
}

void InboundTunnel::DecideAndDial() {
  const policy::Decision decision = Decide();
  worker_.observer.CountDecision(policy::Request::Kind::kTcp, decision);
  marks_ = worker_.observer.Mark(*worker_.config.policies, Peer(), decision);
  by_ = DecidingRule::Of(decision);
  if (!decision.allowed) {
    RefuseByPolicy(decision);
    return;
  }
  if (std::string limit; !JudgeConnection(worker_, Peer(), limit)) {
    Refuse(Reason::kRateLimited, limit);
    return;
  }
  dial_ = origin_.port->application->StartDial(
      [this](Dial::Result result) { OnApplicationDialed(std::move(result)); });
}

void InboundTunnel::OnApplicationDialed(Dial::Result result) {
  worker_.loop.DeleteLater(std::move(dial_));
  if (!result.status.ok()) {
    Refuse(result.reason, std::string(result.status.message()));
    return;
  }
  // The policy may have changed while the application was dialled.
  if (const policy::Decision decision = Decide(); !decision.allowed) {
    RefuseByPolicy(decision);
    return;
  }
  const ConnectionFacts& facts = *origin_.facts;
  origin_.port->application->AddActive();
  if (origin_.port->options.proxy_protocol == ProxyProtocol::kV2) {
    result.stream->Write(EncodeProxyHeader({.source = origin_.remote,
                                            .destination = origin_.port->options.bind,
                                            .tls_version = facts.tls_version,
                                            .spiffe_id = facts.peer_principal()}));
  }
  if (offered_ != nullptr) std::exchange(offered_, nullptr)->Accept();
  const std::vector<uint8_t> first_bytes = std::exchange(first_bytes_, {});
  tunnel_ = std::make_unique<Tunnel>(std::move(stream_), std::move(result.stream), first_bytes,
                                     worker_.options.timeouts.idle,
                                     [this](absl::Status status) { OnTunnelDone(status); });
  if (facts.context != nullptr) {
    tunnel_->EndAfter(facts.Validity(*worker_.options.clock),
                      facts.Expired(*worker_.options.clock));
  }
  worker_.observer.TunnelOpened(Record());
  if (asked_by_ != worker_.config.policies) AskFirst();
}

void InboundTunnel::OnConfigChanged() {
  if (tunnel_ == nullptr) return;
  if (!Decide().allowed) {
    tunnel_->Abort(absl::PermissionDeniedError("a new policy no longer allows the connection"));
  } else if (asked_by_ != worker_.config.policies && asking_ == nullptr) {
    AskFirst();
  }
}

void InboundTunnel::OnTunnelDone(absl::Status status) {
  origin_.port->application->RemoveActive();
  ConnectionRecord record = Record();
  record.status = &status;
  if (absl::IsPermissionDenied(status)) record.reason = Reason::kPolicyDenied;
  worker_.observer.TunnelClosed(record, tunnel_->bytes_to_server(), tunnel_->bytes_to_client());
  Leave();
}

// ---- The end ----

ConnectionRecord InboundTunnel::Record() const {
  ConnectionRecord record;
  record.direction = Observer::Direction::kInbound;
  record.started = origin_.accepted;
  record.remote = &origin_.remote;
  record.local = &origin_.port->options.bind;
  record.downstream = origin_.facts.get();
  record.destination = &origin_.port->options.application;
  record.decided = true;
  record.allowed = true;
  record.by = &by_;
  record.marks = &marks_;
  record.port = origin_.port->options.port;
  return record;
}

void InboundTunnel::RefuseByPolicy(const policy::Decision& decision) {
  by_ = DecidingRule::Of(decision);
  Refuse(Reason::kPolicyDenied,
         decision.policy.empty() ? worker_.config.policies->unmatched() : std::string());
}

void InboundTunnel::Refuse(Reason reason, std::string detail) {
  ConnectionRecord record = Record();
  record.reason = reason;
  record.detail = detail;
  record.decided = IsPolicys(reason);
  record.allowed = false;
  worker_.observer.ConnectionRefused(record);
  if (offered_ != nullptr) offered_->Refuse(AnswerTo(reason));
  Leave();
}

void InboundTunnel::CutOff(const absl::Status& status) {
  if (tunnel_ != nullptr) {
    tunnel_->Abort(status);
  } else {
    Refuse(Reason::kShuttingDown, std::string(status.message()));
  }
}

void InboundTunnel::Leave() {
  if (left_) return;
  left_ = true;
  if (asking_ != nullptr) worker_.loop.DeleteLater(std::move(asking_));
  if (dial_ != nullptr) worker_.loop.DeleteLater(std::move(dial_));
  if (stream_ != nullptr) stream_->Close();
  sessions_.Remove(*this);
}

}  // namespace kith::proxy
