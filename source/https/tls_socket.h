// Bytes over a connected socket, through TLS once it is started, waiting for each call: for what
// happens seldom and on a thread that may wait. What proxies use is tls/tls_stream.h.
// Threads: one; every call blocks it until the deadline at most. A ServerTls may be shared.
// Owns: the socket and its TLS.
// Errors: UNAVAILABLE "TLS handshake: …; hint", DEADLINE_EXCEEDED.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

typedef struct crypto_buffer_st CRYPTO_BUFFER;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace kith::https {

// A server's certificate, ready for handshakes. Clients are not asked for one.
class ServerTls {
 public:
  // The leaf first, then its issuers; TLS 1.2 and newer.
  static absl::StatusOr<std::shared_ptr<const ServerTls>> Create(absl::string_view chain_pem,
                                                                 absl::string_view key_pem);
  ~ServerTls();
  ServerTls(const ServerTls&) = delete;
  ServerTls& operator=(const ServerTls&) = delete;
  SSL_CTX* context() const { return context_; }

 private:
  explicit ServerTls(SSL_CTX* context) : context_(context) {}
  SSL_CTX* const context_;
};

class TlsSocket {
 public:
  struct ClientOptions {
    std::string host;         // That the certificate must name.
    std::string ca_file;      // PEM. Empty: the system's roots.
    std::string ca_pem = {};  // In place of both.
    // What the client proves itself with, when it is asked; empty: nothing.
    std::string chain_pem = {};
    std::string key_pem = {};
    std::string hint = {};  // What to check when the handshake fails.
    // Looks at the server's chain, leaf first, in place of roots and host name.
    std::function<absl::Status(absl::Span<CRYPTO_BUFFER* const>)> verify = {};
  };

  // Takes over a connected, non-blocking socket.
  TlsSocket(int fd, absl::Time deadline) : fd_(fd), deadline_(deadline) {}
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  absl::Status Connect(const ClientOptions& options);
  absl::Status Accept(std::shared_ptr<const ServerTls> tls);

  absl::Status Send(absl::string_view bytes);
  // Zero at the end of the connection.
  absl::StatusOr<size_t> Receive(absl::Span<uint8_t> buffer);
  // Says goodbye to the peer, without waiting for its own.
  void End();

  void set_deadline(absl::Time deadline) { deadline_ = deadline; }

 private:
  struct Verification;

  // Gives the context its roots and its own certificate.
  absl::Status Prepare();
  // Waits for what the last call lacks; an error when it failed.
  absl::Status Retry(int result, absl::string_view what);

  const int fd_;
  absl::Time deadline_;
  ClientOptions options_;                    // Of a client.
  absl::Status refused_;                     // What options_.verify said.
  std::shared_ptr<const ServerTls> server_;  // Outlives ssl_.
  SSL_CTX* context_ = nullptr;               // Of a client.
  SSL* ssl_ = nullptr;                       // Null: the bytes go as they are.
};

// Waits until poll() reports `events`.
absl::Status AwaitSocket(int fd, short events, absl::Time deadline);

}  // namespace kith::https
