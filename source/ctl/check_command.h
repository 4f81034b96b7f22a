// `kithctl check`: whether a cluster can take Kith, and whether what is installed works.
// Threads: one. Owns: nothing.
// Errors: INVALID_ARGUMENT for a kubeconfig that cannot be used; what the checks find is printed,
// and the exit code is 1 when any failed.
#pragma once

#include "CLI/CLI.hpp"
#include "source/ctl/command_line.h"

namespace kith::ctl {

void AddCheckCommand(CLI::App& app, CommandLine& line);

}  // namespace kith::ctl
