// A small HTTPS/1.1 server for the Kubernetes API server's questions: whole requests in, whole
// answers out, one on each connection, so that an idle one holds no thread.
// Threads: it has its own: one that accepts and a few that answer; the handler is called on any of
// them, several at once. SetTls() from any.
// Owns: its socket and threads; destroying it waits for the answers being given.
// Errors: Create() says what could not be bound. A client that is too slow, sends too much or no
// HTTP loses its connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/socket_address.h"
#include "source/https/tls_socket.h"

namespace kith::https {

struct HttpsQuestion {
  std::string method;
  std::string path;  // Without the query.
  std::string body;
};

struct HttpsAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

class HttpsServer {
 public:
  struct Options {
    base::SocketAddress address;           // Port 0 lets the kernel choose; see local().
    std::shared_ptr<const ServerTls> tls;  // Replaced by SetTls().
    size_t threads = 8;
    size_t max_waiting = 64;                    // Connections beyond it are closed at once.
    size_t max_body_bytes = size_t{4} << 20;    // 413 above. The API server's objects end at 3 MiB.
    absl::Duration timeout = absl::Seconds(5);  // For the handshake and for each request.
  };
  using Handler = std::function<HttpsAnswer(const HttpsQuestion&)>;

  static absl::StatusOr<std::unique_ptr<HttpsServer>> Create(Options options, Handler handler);
  ~HttpsServer();
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  // For connections that begin from now on.
  void SetTls(std::shared_ptr<const ServerTls> tls);
  const base::SocketAddress& local() const;

 private:
  struct State;
  explicit HttpsServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace kith::https
