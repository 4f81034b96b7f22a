// The bearer token that proves this workload to the control plane, read afresh each time: whoever
// put the file there replaces it before the token ends. After a join the sidecar does so itself.
// Threads: any; it reads a small file. Owns: nothing.
// Errors: FAILED_PRECONDITION that names the file and what to check; the token is in no message.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::control {

inline constexpr size_t kMaxTokenBytes = 16 * 1024;

// Without the white space around it.
absl::StatusOr<std::string> ReadToken(const std::string& file);

// For a single use, by the first request for a certificate.
bool IsJoinToken(absl::string_view token);

// Whether this process may replace the file.
absl::Status CheckReplaceable(const std::string& file);
// By a token that was given. Secret: mode 0600.
absl::Status KeepToken(const std::string& file, absl::string_view token);

}  // namespace kith::control
