// Files with secrets, and files in general, for commands that are given their names.
// Threads: any. Owns: nothing.
// Errors: NOT_FOUND, ALREADY_EXISTS or UNAVAILABLE with the file's name; INVALID_ARGUMENT for one
// that is too large.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::ctl {

// At most 1 MiB.
absl::StatusOr<std::string> ReadSmallFile(const std::string& name);

// Refuses when there is one already. Never others' to read, not even for a moment, when `mode` says
// so.
absl::Status WriteNewFile(const std::string& name, absl::string_view content, mode_t mode);

// The first line of `file`; when it is empty, of standard input, without echo on a terminal.
absl::StatusOr<std::string> ReadPassword(const std::string& file);

}  // namespace kith::ctl
