// `kithctl authz …`: policies without a mesh, or beside one; and strict-readiness.
// Threads: one. Owns: nothing. Errors: INVALID_ARGUMENT for files that cannot be read.
#pragma once

#include "CLI/CLI.hpp"
#include "source/ctl/command_line.h"

namespace kith::ctl {

void AddAuthzCommands(CLI::App& app, CommandLine& line);

}  // namespace kith::ctl
