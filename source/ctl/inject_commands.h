// `kithctl inject` and `kithctl uninject`: what the webhook does, to files.
// Threads: one. Owns: nothing.
// Errors: INVALID_ARGUMENT for files that cannot be read and for pods that are refused; then
// nothing is printed that could be applied.
#pragma once

#include "CLI/CLI.hpp"
#include "source/ctl/command_line.h"

namespace kith::ctl {

void AddInjectCommands(CLI::App& app, CommandLine& line);

}  // namespace kith::ctl
