// Accepts on a UNIX path and gives each connection's descriptor away, for a library that does its
// own reading and writing (gRPC).
// Threads: the loop's. Owns: the listening socket, whose path is removed when it closes; not the
// descriptors it has given away.
// Errors: Create() says what could not be bound and what to check; a connection that cannot be
// accepted is dropped, and accepting pauses for a moment when descriptors run out.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/event/loop.h"

namespace kith::net {

class UnixAcceptor {
 public:
  struct Options {
    std::string path;
    int mode = 0600;  // Of the socket's file; set before it can be connected to.
    int backlog = 128;
  };
  // Non-blocking, close-on-exec; the callee closes it.
  using AcceptCallback = absl::AnyInvocable<void(int descriptor)>;

  static absl::StatusOr<std::unique_ptr<UnixAcceptor>> Create(event::Loop& loop,
                                                              const Options& options,
                                                              AcceptCallback accepted);
  ~UnixAcceptor();
  UnixAcceptor(const UnixAcceptor&) = delete;
  UnixAcceptor& operator=(const UnixAcceptor&) = delete;

 private:
  struct State;
  explicit UnixAcceptor(State* state) : state_(state) {}
  State* state_;  // Freed by its close callback.
};

}  // namespace kith::net
