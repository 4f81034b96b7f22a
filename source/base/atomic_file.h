// Files that are replaced whole or not at all.
// Threads: any; two writers of one name must agree among themselves. Owns: nothing.
// Errors: UNAVAILABLE that names the path and what to check.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::base {

// Through a temporary file, flushed to the disk and renamed over `path`, then the directory is
// flushed: after a crash at any point there is the old content or the new, never a part. Never
// others' to read, not even for a moment, when `mode` says so.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode);

// "write /x: No space left on device; is the disk full?"
std::string SystemError(absl::string_view attempted, absl::string_view path, int error,
                        absl::string_view remedy);

}  // namespace kith::base
