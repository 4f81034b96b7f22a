// The bearer token that proves this workload to the control plane, read afresh each time: whoever
// put the file there replaces it before the token ends.
// Threads: any; it reads a small file. Owns: nothing.
// Errors: FAILED_PRECONDITION that names the file and what to check; the token is in no message.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace kith::control {

inline constexpr size_t kMaxTokenBytes = 16 * 1024;

// Without the white space around it.
absl::StatusOr<std::string> ReadToken(const std::string& file);

}  // namespace kith::control
