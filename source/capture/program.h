// Runs another program and waits for it.
// Threads: any; blocks. Owns: the child until it has ended. Errors: NOT_FOUND when there is no such
// program, INTERNAL with what it printed on standard error when it fails.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::capture {

// What it printed on standard output. `input` is its standard input.
absl::StatusOr<std::string> RunProgram(const std::vector<std::string>& command,
                                       absl::string_view input = {});

// Whether the search path has such a program.
bool HasProgram(absl::string_view name);

}  // namespace kith::capture
