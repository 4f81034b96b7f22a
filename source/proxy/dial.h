// One attempt to reach an endpoint: connects and, where the endpoint is in the mesh, makes the
// mutual handshake and checks the server's identity; where it is a server outside, makes the
// handshake that its DestinationRule asks for, unless that is asked for in band
// (database_tls.h): the connection is then handed over as it is. Threads: the worker's loop. Owns:
// the connection until it is handed over. Errors: Result::status and one of the closed list of
// reasons.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "source/mesh/snapshot.h"
#include "source/net/socket_stream.h"
#include "source/policy/request.h"
#include "source/proxy/origination.h"
#include "source/proxy/peer_certificate.h"
#include "source/proxy/worker_state.h"
#include "source/telemetry/reason.h"
#include "source/tls/tls_stream.h"

namespace kith::proxy {

// What is known of a connection beside its bytes.
struct ConnectionFacts {
  absl::optional<tls::Peer> peer;               // Its proven identity; none on plaintext.
  std::shared_ptr<const tls::Context> context;  // Our side of the handshake; null on plaintext.
  std::string tls_version;
  std::string sni;
  std::string alpn;

  absl::string_view peer_principal() const;  // Empty on plaintext.
  absl::string_view peer_serial() const;
  absl::string_view own_principal() const;
  absl::string_view own_serial() const;
  // Until the first certificate of either side ends or the maximum age is reached, counted from
  // now; infinite on plaintext.
  absl::Duration Validity(const base::Clock& clock) const;
  // The peer's, as policies read it: made when the first of them asks, and kept. Null where there
  // is none, or none that can be read whole.
  const policy::CertificateView* certificate() const;
  // With what a connection is closed then.
  absl::Status Expired(const base::Clock& clock) const;

 private:
  mutable std::shared_ptr<const PeerCertificate> certificate_;
};

// For a handshake with a server outside the mesh; FAILED_PRECONDITION without usable files.
absl::StatusOr<tls::TlsStream::ClientOptions> OriginationOptions(
    const mesh::TlsOrigination& outside, const Origination* files);

class Dial : public event::Deletable {
 public:
  struct Result {
    absl::Status status;
    telemetry::Reason reason = telemetry::Reason::kNone;
    std::unique_ptr<net::Stream> stream;  // Set when the status is OK; not yet reading.
    ConnectionFacts facts;
  };

  // Calls `done` once, never before the constructor returns. Destroying the dial abandons it;
  // inside `done` it goes to Loop::DeleteLater() instead.
  struct Options {
    std::vector<std::string> alpn;  // Offered where there is TLS.
    absl::string_view sni;          // Of the mesh.
    absl::Duration connect_timeout;
    std::shared_ptr<const Origination> origination;  // Of a server outside the mesh.
  };
  Dial(WorkerState& worker, const mesh::Endpoint& endpoint, Options options,
       absl::AnyInvocable<void(Result)> done);

 private:
  void OnConnected(absl::StatusOr<std::unique_ptr<net::Stream>> stream);
  void StartOrigination(std::unique_ptr<net::Stream> stream);
  void StartHandshake(std::unique_ptr<net::Stream> stream, tls::TlsStream::ClientOptions options);
  void OnHandshake(const tls::HandshakeResult& handshake);
  void Fail(absl::Status status, telemetry::Reason reason);

  WorkerState& worker_;
  const mesh::EndpointTls tls_;
  std::vector<base::SpiffeId> expected_;
  std::vector<std::string> alpn_;
  std::string sni_;
  const std::shared_ptr<const mesh::TlsOrigination> outside_;
  const std::shared_ptr<const Origination> origination_;
  absl::AnyInvocable<void(Result)> done_;
  std::unique_ptr<net::Connector> connector_;
  std::shared_ptr<const tls::Context> context_;
  std::unique_ptr<tls::TlsStream> handshaking_;
};

}  // namespace kith::proxy
