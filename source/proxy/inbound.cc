#include "source/proxy/inbound.h"

#include <utility>

#include "source/proxy/alpn.h"
#include "source/proxy/debug_headers.h"
#include "source/proxy/judge.h"
#include "source/tls/client_hello.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

// How long a PERMISSIVE port waits for the client to speak first. A client that stays silent is
// taken for plaintext, which delays protocols in which the server speaks first by this much.
constexpr absl::Duration kPermissivePeek = absl::Seconds(1);

http::PathMode PathModeOf(mesh::PathNormalization normalization) {
  switch (normalization) {
    case mesh::PathNormalization::kNone:
      return http::PathMode::kNone;
    case mesh::PathNormalization::kBase:
      return http::PathMode::kBase;
    case mesh::PathNormalization::kMergeSlashes:
      return http::PathMode::kMergeSlashes;
    case mesh::PathNormalization::kDecodeAndMergeSlashes:
      break;
  }
  return http::PathMode::kDecodeAndMergeSlashes;
}

}  // namespace

InboundSession::InboundSession(WorkerState& worker, SessionSet& sessions,
                               std::shared_ptr<InboundPort> port,
                               std::unique_ptr<net::Stream> stream)
    : worker_(worker),
      sessions_(sessions),
      port_(std::move(port)),
      protocol_(port_->options.protocol),
      remote_(stream->remote()),
      accepted_(worker.options.clock->Now()),
      stream_(std::move(stream)),
      peek_deadline_(worker.loop, [this] { OnPeekTimeout(); }) {
  worker_.observer.AddConnections(Observer::Direction::kInbound, 1);
}

InboundSession::~InboundSession() {
  worker_.observer.AddConnections(Observer::Direction::kInbound, -1);
}

mesh::MtlsMode InboundSession::Mode() const {
  return worker_.config.snapshot->modes.ForPort(port_->options.port);
}

void InboundSession::Start() {
  const mesh::MtlsMode mode = Mode();
  if (mode == mesh::MtlsMode::kDisable) {
    StartProtocol({});
    return;
  }
  stream_->SetHandler(this);
  peek_deadline_.Set(mode == mesh::MtlsMode::kStrict ? worker_.options.timeouts.handshake
                                                     : kPermissivePeek);
  stream_->ResumeReading();
}

void InboundSession::StartDraining() { carried_.StartDraining(); }

void InboundSession::CutOff(const absl::Status& status) {
  if (!carried_.CutOff(status)) Refuse(Reason::kShuttingDown, std::string(status.message()));
}

void InboundSession::OnConfigChanged() {
  // A link takes its peer to a newer certificate as soon as there is one: nothing is lost by it.
  if (carried_.http2() != nullptr && facts_->alpn == kLinkAlpn && facts_->context != worker_.tls) {
    carried_.http2()->StartDraining();
  }
}

// ---- Plaintext or TLS ----

void InboundSession::OnData(absl::Span<const uint8_t> bytes) {
  peeked_.insert(peeked_.end(), bytes.begin(), bytes.end());
  const tls::ClientHello hello = tls::PeekClientHello(peeked_);
  if (hello.kind == tls::ClientHello::Kind::kNeedMore) return;
  peek_deadline_.Clear();
  stream_->PauseReading();
  const bool strict = Mode() == mesh::MtlsMode::kStrict;
  switch (hello.kind) {
    case tls::ClientHello::Kind::kHello:
      if (strict || OffersMesh(hello.alpn) || TakesAnyTls()) {
        StartTls(hello);
      } else if (protocol_ == mesh::Protocol::kTcp || protocol_ == mesh::Protocol::kDetect) {
        StartProtocol(peeked_);  // The application's own TLS passes through.
      } else {
        Refuse(Reason::kNoSharedAlpn, "TLS without a mesh protocol on a PERMISSIVE HTTP port");
      }
      break;
    case tls::ClientHello::Kind::kMalformed:
      if (strict) {
        Refuse(Reason::kNotTls, "the first bytes begin like TLS but are no ClientHello");
      } else {
        StartProtocol(peeked_);
      }
      break;
    default:
      if (strict) {
        Refuse(Reason::kPlaintextOnStrict, "the port accepts mutual TLS only");
      } else {
        StartProtocol(peeked_);
      }
  }
}

void InboundSession::OnEnd() { Refuse(Reason::kPeerClosed, "ended before its first bytes"); }

void InboundSession::OnClosed(absl::Status status) {
  Refuse(Reason::kPeerClosed, std::string(status.message()));
}

void InboundSession::OnPeekTimeout() {
  if (Mode() == mesh::MtlsMode::kStrict) {
    Refuse(Reason::kHandshakeTimeout, "no ClientHello in time");
    return;
  }
  stream_->PauseReading();
  stream_silent_ = peeked_.empty();
  StartProtocol(peeked_);
}

bool InboundSession::TakesAnyTls() const {
  return worker_.tls != nullptr &&
         worker_.tls->rules().ForPort(port_->options.port) != tls::ClientCertificate::kRequire;
}

void InboundSession::StartTls(const tls::ClientHello& hello) {
  if (worker_.tls == nullptr) {
    Refuse(Reason::kNoIdentity, "no certificate of our own yet; is the control plane reachable?");
    return;
  }
  facts_->context = worker_.tls;
  if (protocol_ == mesh::Protocol::kDetect) {
    protocol_ = ProtocolOf(hello.alpn, worker_.options.links);
  }
  tls::TlsStream::ServerOptions options;
  options.context = worker_.tls;
  options.alpn = ServerAlpn(protocol_, worker_.options.links, hello.alpn);
  options.handshake_timeout = worker_.options.timeouts.handshake;
  options.client_certificate = worker_.tls->rules().ForPort(port_->options.port);
  options.live = worker_.live;
  options.first_bytes = std::move(peeked_);
  peeked_.clear();
  handshaking_ = tls::TlsStream::Accept(
      std::move(stream_), std::move(options),
      [this](const tls::HandshakeResult& handshake) { OnHandshake(handshake); });
}

void InboundSession::OnHandshake(const tls::HandshakeResult& handshake) {
  worker_.observer.CountHandshake(Observer::Side::kServer, handshake, facts_->context.get());
  facts_->tls_version = handshake.version;
  facts_->sni = handshake.sni;
  facts_->alpn = handshake.alpn;
  if (!handshake.status.ok()) {
    Refuse(handshake.reason, std::string(handshake.status.message()));
    return;
  }
  facts_->peer = handshake.peer;
  stream_ = std::move(handshaking_);
  StartProtocol({});
}

void InboundSession::StartProtocol(absl::Span<const uint8_t> first_bytes) {
  if (facts_->tls_version.empty() && !plaintext_seen_) {
    plaintext_seen_ = true;
    worker_.observer.SawPlaintext(remote_, port_->options.port, accepted_);
  }
  if (protocol_ == mesh::Protocol::kDetect) {
    Detect(first_bytes);
    return;
  }
  if (IsHttp2(facts_->alpn)) {
    StartHttp2(std::move(stream_), first_bytes);
    return;
  }
  if (protocol_ == mesh::Protocol::kTcp) {
    sessions_.Start(std::make_unique<InboundTunnel>(
        worker_, sessions_, Origin(accepted_), std::move(stream_),
        std::vector<uint8_t>(first_bytes.begin(), first_bytes.end())));
    Leave();
    return;
  }
  carried_.StartHttp1(worker_, *this, std::move(stream_), facts_->Validity(*worker_.options.clock),
                      first_bytes);
  peeked_ = {};
}

// Plaintext on a port that declares nothing.
void InboundSession::Detect(absl::Span<const uint8_t> first_bytes) {
  // Whoever was silent while TLS was awaited has waited enough.
  if ((first_bytes.empty() && stream_silent_) || IsServerFirst(port_->options.port)) {
    protocol_ = mesh::Protocol::kTcp;
    StartProtocol(first_bytes);
    return;
  }
  detection_ = std::make_unique<Detection>(
      worker_, *stream_, kPermissivePeek,
      [this](absl::StatusOr<mesh::Protocol> protocol, std::vector<uint8_t> bytes) {
        worker_.loop.DeleteLater(std::move(detection_));
        if (!protocol.ok()) {
          Refuse(Reason::kPeerClosed, std::string(protocol.status().message()));
          return;
        }
        protocol_ = *protocol;
        peeked_ = std::move(bytes);
        StartProtocol(peeked_);
      });
  detection_->Start(first_bytes);
}

// ---- Opaque bytes ----

InboundTunnel::Origin InboundSession::Origin(absl::Time accepted) const {
  return {port_, facts_, remote_, accepted};
}

// What a peer says to a port that declares HTTP is decided request by request.
bool InboundSession::TakesTunnels() const {
  return on_link() && (port_->options.protocol == mesh::Protocol::kTcp ||
                       port_->options.protocol == mesh::Protocol::kDetect);
}

void InboundSession::StartTunnel(std::unique_ptr<TunnelStream> stream) {
  sessions_.Start(std::make_unique<InboundTunnel>(
      worker_, sessions_, Origin(worker_.options.clock->Now()), std::move(stream)));
}

// ---- HTTP ----

void InboundSession::StartHttp2(std::unique_ptr<net::Stream> stream,
                                absl::Span<const uint8_t> first_bytes) {
  carried_.StartHttp2(worker_, *this, std::move(stream), facts_->Validity(*worker_.options.clock),
                      first_bytes);
}

Routing InboundSession::Route(const http::RequestHead& head, StoredRequest& out,
                              RequestRecord& record, Decided decided) {
  if (!IsDebugged(worker_.debug_callers, facts_->peer ? &*facts_->peer : nullptr)) {
    return Judge(head, out, record, std::move(decided));
  }
  Routing routing =
      Judge(head, out, record, [&record, decided = std::move(decided)](Routing later) mutable {
        TellDecision(record, later);
        decided(std::move(later));
      });
  if (routing.verdict != Routing::Verdict::kPending) TellDecision(record, routing);
  return routing;
}

Routing InboundSession::Judge(const http::RequestHead& head, StoredRequest& out,
                              RequestRecord& record, Decided decided) {
  http::Header id[1];
  size_t id_count = 0;
  record.request_id = worker_.observer.RequestId(head, id, id_count);
  added_.assign(id, id + id_count);
  // HTTP/1.0 may come without, and leaves here as HTTP/1.1.
  const std::string application = port_->options.application.ToString();
  if (head.host.empty()) added_.push_back({"Host", application});
  peer_headers_.Add(
      port_->options.peer_headers, head.headers, facts_->peer ? &*facts_->peer : nullptr,
      facts_->context != nullptr ? &facts_->context->identity().id() : nullptr, added_);

  absl::string_view path = head.path;
  const mesh::PathNormalization normalization = worker_.config.snapshot->modes.path_normalization;
  // CONNECT has none: rules for paths do not match it.
  const http::PathOutcome outcome =
      head.is_connect ? http::PathOutcome::kUnchanged
                      : http::NormalizePath(PathModeOf(normalization), path, path_);
  if (outcome == http::PathOutcome::kChanged) path = path_;
  out.Assign(head, path, PeerHeaders::Dropped(), added_);
  if (worker_.memory != MemoryPressure::kNone) {
    worker_.observer.CountShedRequest();
    record.reason = Reason::kMemoryPressure;
    return Routing::Refuse(503);
  }
  record.reason = Reason::kBadRequest;
  if (port_->options.protocol == mesh::Protocol::kTcp) {
    record.detail = "a request to a port that takes opaque TCP";
    return Routing::Refuse(400);
  }
  if (http::IsRefused(outcome)) {
    worker_.observer.CountBadRequest(http::ToString(outcome));
    record.detail = std::string(http::ToString(outcome));
    return Routing::Refuse(400);
  }
  const policy::PolicySet& policies = *worker_.config.policies;
  if (policies.reads_paths() && normalization != mesh::PathNormalization::kNone) {
    if (const auto ambiguity = http::FindAmbiguity(path); ambiguity != http::PathAmbiguity::kNone) {
      worker_.observer.CountBadRequest(http::ToString(ambiguity));
      record.detail = std::string(http::ToString(ambiguity));
      return Routing::Refuse(400);
    }
  }
  record.reason = Reason::kNone;

  return JudgeRequest(worker_, {Peer(), facts_->own_principal(), out, record}, std::move(decided));
}

std::shared_ptr<Endpoint> InboundSession::Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                                 RequestRecord& record) {
  // One application: a second try makes sense only after a stale connection, which is not `tried`.
  if (tried.empty()) return port_->ApplicationFor(worker_, *record.request);
  if (record.reason == Reason::kNone) record.reason = Reason::kUpstreamUnreachable;
  return nullptr;
}

void InboundSession::OnRequestDone(const RequestRecord& record) {
  worker_.observer.RecordRequest(Record(), record);
}

void InboundSession::OnConnectionDone() { Leave(); }

// ---- The end ----

ConnectionRecord InboundSession::Record() const {
  ConnectionRecord record;
  record.direction = Observer::Direction::kInbound;
  record.started = accepted_;
  record.remote = &remote_;
  record.local = &port_->options.bind;
  record.downstream = facts_.get();
  record.destination = &port_->options.application;
  record.decided = true;
  record.allowed = true;
  record.port = port_->options.port;
  return record;
}

void InboundSession::Refuse(Reason reason, std::string detail) {
  ConnectionRecord record = Record();
  record.reason = reason;
  record.detail = detail;
  record.decided = record.allowed = false;
  worker_.observer.ConnectionRefused(record);
  Leave();
}

void InboundSession::Leave() {
  if (left_) return;
  left_ = true;
  peek_deadline_.Clear();
  if (detection_ != nullptr) worker_.loop.DeleteLater(std::move(detection_));
  if (stream_ != nullptr) stream_->Close();
  sessions_.Remove(*this);
}

}  // namespace kith::proxy
