// Opaque bytes from a peer to the application: a connection of their own, or a stream of a link.
// Decided by an authorizer where a CUSTOM policy asks one and by the rules for TCP, dialled only
// then, decided again whenever the policies change. Threads: the worker's loop. Owns: see
// session.h. Errors: each refusal has a reason, counted and logged. The peer sees a close, or on a
// link the status that says whether another endpoint may do better.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/proxy/custom.h"
#include "source/proxy/inbound_port.h"
#include "source/proxy/session.h"
#include "source/proxy/tunnel.h"
#include "source/proxy/tunnel_stream.h"

namespace kith::proxy {

class InboundTunnel final : public Session {
 public:
  // Where it comes from and where it goes.
  struct Origin {
    std::shared_ptr<InboundPort> port;
    std::shared_ptr<const ConnectionFacts> facts;
    base::SocketAddress remote;
    absl::Time accepted;
  };

  // `first_bytes` were read before.
  InboundTunnel(WorkerState& worker, SessionSet& sessions, Origin origin,
                std::unique_ptr<net::Stream> stream, std::vector<uint8_t> first_bytes);
  // A stream of a link, not yet accepted.
  InboundTunnel(WorkerState& worker, SessionSet& sessions, Origin origin,
                std::unique_ptr<TunnelStream> stream);
  ~InboundTunnel() override;

  void Start();
  // proxy::Session
  void CutOff(const absl::Status& status) override;
  void OnConfigChanged() override;

 private:
  policy::Request Peer() const {
    return origin_.port->PeerOf(worker_, *origin_.facts, origin_.remote);
  }
  // AUDIT, DENY and ALLOW.
  policy::Decision Decide() const { return worker_.config.policies->Decide(Peer()); }
  // Asks an authorizer where a CUSTOM policy wants it; false where none does.
  bool AskFirst();
  void OnAsked(CustomAnswer answer);
  void DecideAndDial();
  void OnApplicationDialed(Dial::Result result);
  void OnTunnelDone(absl::Status status);
  ConnectionRecord Record() const;
  void RefuseByPolicy(const policy::Decision& decision);
  void Refuse(telemetry::Reason reason, std::string detail);
  void Leave();

  WorkerState& worker_;
  SessionSet& sessions_;
  const Origin origin_;
  std::unique_ptr<net::Stream> stream_;  // Until the tunnel takes it.
  TunnelStream* offered_ = nullptr;      // It, on a link, until it is answered.
  std::vector<uint8_t> first_bytes_;
  std::unique_ptr<event::Deletable> asking_;           // An authorizer.
  std::shared_ptr<const policy::PolicySet> asked_by_;  // That had it asked, or did not want it.
  std::unique_ptr<Dial> dial_;
  std::unique_ptr<Tunnel> tunnel_;
  // The decision that let it through, for its log line.
  DecidingRule by_;
  PolicyMarks marks_;
  bool left_ = false;
};

}  // namespace kith::proxy
