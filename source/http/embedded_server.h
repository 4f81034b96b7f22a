// A small HTTP/1.1 server for metrics, health and administration: whole requests in, whole answers
// out, on a TCP address or a UNIX socket.
// Threads: the loop's.
// Owns: its listener and connections, closed when it is destroyed, which is not inside its handler.
// Errors: Create() says what could not be bound; a request that is not HTTP, too large or too slow
// is answered with JSON {"error": "..."} where an answer is possible, and ends its connection.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"
#include "source/http/embedded_message.h"

namespace kith::http {

class EmbeddedServer {
 public:
  struct Options {
    base::SocketAddress address;  // Port 0 lets the kernel choose; see local().
    int unix_mode = 0600;
    // For a request to arrive and for the next one to begin. Zero disables.
    absl::Duration idle_timeout = absl::Seconds(30);
    size_t max_connections = 64;                        // Further ones are answered with 503.
    size_t max_body_bytes = size_t{1024} * 1024;        // 413 above.
    const base::Clock* clock = &base::Clock::System();  // For Date.
  };
  // Routes by path and method: 404 and 405 are its answers to give.
  using Handler = absl::AnyInvocable<void(const EmbeddedRequest&, EmbeddedResponder)>;

  static absl::StatusOr<std::unique_ptr<EmbeddedServer>> Create(event::Loop& loop,
                                                                const Options& options,
                                                                Handler handler);
  ~EmbeddedServer();
  EmbeddedServer(const EmbeddedServer&) = delete;
  EmbeddedServer& operator=(const EmbeddedServer&) = delete;

  const base::SocketAddress& local() const;
  size_t connections() const;

 private:
  struct State;
  explicit EmbeddedServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace kith::http
