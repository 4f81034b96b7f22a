// The embedded HTTP server over TLS, for whoever is no peer of the mesh: no certificate is asked of
// its clients.
// Threads: the loop's.
// Owns: its listener and connections, closed when it is destroyed, which is not inside its handler.
// Errors: Create() says what could not be bound; a failed handshake ends its connection, further
// connections than the limit are closed at once.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"
#include "source/http/embedded_server.h"
#include "source/tls/context.h"

namespace kith::controlplane {

class HttpsEndpoint {
 public:
  // Asked for each connection: the present certificate.
  using Present = std::function<std::shared_ptr<const tls::Context>()>;

  static absl::StatusOr<std::unique_ptr<HttpsEndpoint>> Create(
      event::Loop& loop, const http::EmbeddedServer::Options& options, Present present,
      http::EmbeddedServer::Handler handler);
  ~HttpsEndpoint();
  HttpsEndpoint(const HttpsEndpoint&) = delete;
  HttpsEndpoint& operator=(const HttpsEndpoint&) = delete;

  const base::SocketAddress& local() const;

 private:
  struct State;
  explicit HttpsEndpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace kith::controlplane
