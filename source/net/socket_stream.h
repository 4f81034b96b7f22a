// A connected TCP or UNIX socket as a Stream: reads into the loop's scratch, gathers output in
// blocks of the loop's pool, and flushes once per turn with one writev. Threads: the loop's. Owns:
// the socket. TCP_NODELAY is always on, keep-alive after 60 s idle. Errors: as net/stream.h.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"
#include "source/net/stream.h"

namespace kith::net {

// An attempt to connect. Destroying it abandons the attempt; the callback never fires after.
class Connector {
 public:
  virtual ~Connector() = default;
};

// Calls `done` once, never before Connect() returns: with a stream not yet reading, or with
// UNAVAILABLE / DEADLINE_EXCEEDED such as "connect 10.0.0.7:8080: connection refused; is the
// application listening there?". `hint` is that last part. Inside `done` the Connector may be
// destroyed. `source`, if given, is the local IP address to connect from.
std::unique_ptr<Connector> Connect(
    event::Loop& loop, const base::SocketAddress& address, absl::Duration timeout,
    absl::string_view hint, absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Stream>>)> done,
    const base::SocketAddress& source = {});

}  // namespace kith::net
