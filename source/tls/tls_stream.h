// TLS over another stream. The transport's bytes are read in place from the loop's scratch through
// a custom BIO, decrypted into its second scratch, and records collect in the transport's output,
// which is flushed once per turn. Threads: the transport's loop. Owns: the transport (a socket, not
// another TlsStream: they would share the second scratch) and the SSL object. Errors: a failed
// handshake reaches the callback with one of the closed list of reasons and a detail for logs; the
// peer sees only a TLS alert. After the handshake as net/stream.h; a stream cut without
// close_notify ends with UNAVAILABLE "… truncated", not with OnEnd(). What LiveConnections ends
// closes with UNAVAILABLE and its reason (telemetry/reason_status.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "source/base/spiffe_id.h"
#include "source/net/stream.h"
#include "source/telemetry/reason.h"
#include "source/tls/context.h"
#include "source/tls/peer.h"
#include "source/tls/upstream_context.h"

namespace kith::tls {

struct HandshakeResult {
  absl::Status status;  // OK, or what failed, for logs: "handshake with 10.0.0.7:1234: …".
  telemetry::Reason reason = telemetry::Reason::kNone;
  // Set when its chain was verified, also if a later step failed; only after a successful handshake
  // has it proven that the key is its own.
  absl::optional<Peer> peer;
  std::string alpn;     // Negotiated; empty if none.
  std::string sni;      // As the client sent it.
  std::string version;  // "TLSv1.3".
  absl::Duration duration;
};

class LiveConnections;

class TlsStream : public net::Stream {
 public:
  using HandshakeCallback = absl::AnyInvocable<void(const HandshakeResult&)>;

  struct ServerOptions {
    std::shared_ptr<const Context> context;
    // In order of our preference. A client that offers ALPN without any of them fails with
    // no_shared_alpn; a client that offers none is accepted with an empty one. If this list is
    // empty, every offer is passed over.
    std::vector<std::string> alpn;
    absl::Duration handshake_timeout = absl::Seconds(10);
    ClientCertificate client_certificate = ClientCertificate::kRequire;
    std::shared_ptr<LiveConnections> live;  // Where it is noted while it lives; none by default.
    // What was read from the transport already, for example by a peek.
    std::vector<uint8_t> first_bytes;
  };
  struct ClientOptions {
    std::shared_ptr<const Context> context;
    // A server outside the mesh: instead of `context`, `expected` and `live`.
    std::shared_ptr<const UpstreamContext> upstream;
    std::vector<std::string> alpn;
    std::string sni;  // Empty sends none.
    // The server's identity must be one of these; empty is an error, never "any".
    std::vector<base::SpiffeId> expected;
    absl::Duration handshake_timeout = absl::Seconds(10);
    std::shared_ptr<LiveConnections> live;  // As the server's.
  };

  // Takes over a connected transport; `done` is called once, never before the call returns. Set the
  // handler inside `done` at the latest, and write nothing before. After a failure the stream has
  // sent its alert and closes itself; only destroying it is left to the owner (by
  // Loop::DeleteLater(), as always inside a callback). Closing it earlier abandons the handshake:
  // `done` never fires then.
  static std::unique_ptr<TlsStream> Accept(std::unique_ptr<net::Stream> transport,
                                           ServerOptions options, HandshakeCallback done);
  static std::unique_ptr<TlsStream> Connect(std::unique_ptr<net::Stream> transport,
                                            ClientOptions options, HandshakeCallback done);

  // The generation this connection was made with; never changes. Of the mesh's connections only.
  virtual const Context& context() const = 0;
  // Valid after a successful handshake.
  virtual const HandshakeResult& handshake() const = 0;
  // Why the stream ended with an error after its handshake, kNone if it did not. In TLS 1.3 a
  // client is done before the server has looked at its certificate: a refusal comes to it in this
  // way, as kAlertReceived with the alert's name in OnClosed()'s status.
  virtual telemetry::Reason close_reason() const = 0;
};

}  // namespace kith::tls
