// `kith-sidecar wait`: for containers that must not start before their sidecar is ready.
// Threads: any; it blocks the caller. Owns: nothing.
// Errors: INVALID_ARGUMENT for an address that is none; DEADLINE_EXCEEDED with what the sidecar, or
// its absence, said last.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace kith::sidecar {

absl::Status WaitUntilReady(const std::string& address, absl::Duration timeout);

}  // namespace kith::sidecar
