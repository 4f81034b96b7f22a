// The running sidecar: builds every part by hand and runs the loop until a signal.
// Threads: main's; workers and gRPC have their own. Owns: everything. Errors: what could not be
// started, in one line; OK after a signal.
#pragma once

#include "absl/status/status.h"
#include "source/sidecar/bootstrap.h"

namespace kith::sidecar {

absl::Status Run(const Bootstrap& bootstrap);

}  // namespace kith::sidecar
