// The control plane at work: from its settings until a signal stops it.
// Threads: the calling thread becomes the main loop; gRPC brings its own.
// Owns: every part, built here by hand, in the order in which they depend on each other.
// Errors: INVALID_ARGUMENT for what the configuration or the registry says; anything else for what
// the machine refused: one line with what to check.
#pragma once

#include "absl/status/status.h"
#include "source/controlplane/settings.h"

namespace kith::controlplane {

absl::Status Run(const Settings& settings);

}  // namespace kith::controlplane
