// Accepts connections on a TCP address or a UNIX path.
// Threads: the loop's. Owns: the listening socket; a UNIX path is removed when it closes.
// Errors: Create() says what could not be bound, on what, and what to check; accept errors (such as
// no descriptors left) are counted and logged, and accepting goes on after a pause.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"
#include "source/net/stream.h"

namespace kith::net {

class Listener {
 public:
  struct Options {
    base::SocketAddress address;  // Port 0 lets the kernel choose; see local().
    bool reuse_port = false;      // Several workers listen on one port.
    int backlog = 4096;
    int unix_mode = 0600;  // Of the socket's file; set before it can be connected to.
    // Connections come redirected: a stream's local() is where it was going before. That of one
    // that came directly is the listener's own address.
    bool captured = false;
    // They come by TPROXY, which keeps the destination; needs the capability NET_ADMIN.
    bool transparent = false;
  };
  using AcceptCallback = absl::AnyInvocable<void(std::unique_ptr<Stream>)>;

  static absl::StatusOr<std::unique_ptr<Listener>> Create(event::Loop& loop, const Options& options,
                                                          AcceptCallback accepted);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const base::SocketAddress& local() const;
  uint64_t accept_errors() const;

 private:
  struct State;
  explicit Listener(State* state) : state_(state) {}
  State* state_;
};

}  // namespace kith::net
