// Opens the socket behind a Listener: bound, listening, non-blocking.
// Threads: any. Owns: nothing; the caller gets the descriptor.
// Errors: what could not be bound, on what, and what to check.
// For net/ only.
#pragma once

#include "absl/status/statusor.h"
#include "source/net/listener.h"

namespace kith::net {

absl::StatusOr<int> OpenListeningSocket(const Listener::Options& options);

}  // namespace kith::net
