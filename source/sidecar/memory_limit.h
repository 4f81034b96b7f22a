// How much memory the process may have: the least limit of its control group and of those around
// it, of version 1 or 2.
// Threads: any. Owns: nothing. Errors: none; what cannot be read limits nothing.
#pragma once

#include <cstdint>
#include <string>

#include "absl/types/optional.h"

namespace kith::sidecar {

// `root`: before /proc and /sys; empty but in tests.
absl::optional<uint64_t> ControlGroupMemoryLimit(const std::string& root);

}  // namespace kith::sidecar
