// `kithctl install`: the manifests of a whole installation, rendered from the Helm chart that this
// program carries, so that it and `helm install` cannot differ.
// Threads: one. Owns: nothing.
// Errors: INVALID_ARGUMENT for values that the chart's schema refuses, and for files that cannot be
// read; then nothing is printed.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "source/ctl/command_line.h"
#include "source/inject/json.h"

namespace kith::ctl {

struct InstallationOptions {
  std::string name_space = "kith-system";
  std::vector<inject::Json> values;  // Each over those before it.
};

struct Installation {
  std::vector<inject::Json> objects;  // In the order in which they are applied.
  std::string notes;                  // What a person does next.
};
absl::StatusOr<Installation> RenderInstallation(const InstallationOptions& options);

void AddInstallCommand(CLI::App& app, CommandLine& line);

}  // namespace kith::ctl
