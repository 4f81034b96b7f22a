// `kithctl authz debug-headers`: lets one caller of a sidecar read, in its responses, what was
// decided on its requests (docs/authorization-tools.md). Threads: one. Owns: nothing. Errors: as
// commands.h.
#pragma once

#include "CLI/CLI.hpp"
#include "source/ctl/command_line.h"

namespace kith::ctl {

void AddDebugHeadersCommands(CLI::App& authz, CommandLine& line);

}  // namespace kith::ctl
