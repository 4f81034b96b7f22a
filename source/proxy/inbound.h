// Inbound: what peers open towards the application. Decides plaintext or mutual TLS by the port's
// mode and the first bytes, proves the peer's identity, and authorizes each request; opaque
// bytes it hands to inbound_tunnel.h.
// Threads: the worker's loop. Owns: see session.h.
// Errors: each refusal has a reason, counted and logged; the peer learns no more than an alert, a
// close or a 403.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/http/path.h"
#include "source/proxy/alpn.h"
#include "source/proxy/carried.h"
#include "source/proxy/detect.h"
#include "source/proxy/inbound_port.h"
#include "source/proxy/inbound_tunnel.h"
#include "source/proxy/peer_headers.h"
#include "source/proxy/session.h"
#include "source/tls/client_hello.h"

namespace kith::proxy {

class InboundSession final : public Session, private net::StreamHandler, public HttpSession {
 public:
  // The port of a captured connection lives as long as anybody uses it.
  InboundSession(WorkerState& worker, SessionSet& sessions, std::shared_ptr<InboundPort> port,
                 std::unique_ptr<net::Stream> stream);
  ~InboundSession() override;

  // Begins to look at the connection. It may end before this returns.
  void Start();

  // proxy::Session
  void StartDraining() override;
  void CutOff(const absl::Status& status) override;
  void OnConfigChanged() override;

 private:
  // net::StreamHandler, while peeking.
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status status) override;
  void OnDrained() override {}
  // HttpSession
  Routing Route(const http::RequestHead& head, StoredRequest& out, RequestRecord& record,
                Decided decided) override;
  std::shared_ptr<Endpoint> Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                   RequestRecord& record) override;
  void OnRequestDone(const RequestRecord& record) override;
  void StartHttp2(std::unique_ptr<net::Stream> stream,
                  absl::Span<const uint8_t> first_bytes) override;
  bool draining() const override { return worker_.draining; }
  bool on_link() const override { return facts_->alpn == kLinkAlpn; }
  bool TakesTunnels() const override;
  void StartTunnel(std::unique_ptr<TunnelStream> stream) override;
  void OnConnectionDone() override;

  mesh::MtlsMode Mode() const;
  Routing Judge(const http::RequestHead& head, StoredRequest& out, RequestRecord& record,
                Decided decided);
  void OnPeekTimeout();
  // The port's rules do not ask every TLS client for an identity of the mesh.
  bool TakesAnyTls() const;
  void StartTls(const tls::ClientHello& hello);
  void OnHandshake(const tls::HandshakeResult& handshake);
  // The bytes from here on are the application's protocol.
  void StartProtocol(absl::Span<const uint8_t> first_bytes);
  void Detect(absl::Span<const uint8_t> first_bytes);
  // Of an opaque connection, or of one stream of a link.
  InboundTunnel::Origin Origin(absl::Time accepted) const;
  policy::Request Peer() const { return port_->PeerOf(worker_, *facts_, remote_); }
  ConnectionRecord Record() const;
  void Refuse(telemetry::Reason reason, std::string detail);
  void Leave();

  WorkerState& worker_;
  SessionSet& sessions_;
  const std::shared_ptr<InboundPort> port_;
  // The port's, until it is detected.
  mesh::Protocol protocol_;
  const base::SocketAddress remote_;
  const absl::Time accepted_;
  std::unique_ptr<net::Stream> stream_;  // Until something below takes it.
  std::unique_ptr<tls::TlsStream> handshaking_;
  Deadline peek_deadline_;
  std::vector<uint8_t> peeked_;
  const std::shared_ptr<ConnectionFacts> facts_ = std::make_shared<ConnectionFacts>();
  std::unique_ptr<Detection> detection_;
  Carried carried_;
  bool plaintext_seen_ = false;  // StartProtocol() runs again once the protocol is detected.
  std::string path_;             // Normalized, of the request being routed.
  bool stream_silent_ = false;   // It sent nothing while TLS was awaited.
  PeerHeaders peer_headers_;
  std::vector<http::Header> added_;  // To the request being routed.
  bool left_ = false;
};

}  // namespace kith::proxy
