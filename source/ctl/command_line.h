// The parts of kithctl's command line: each Add…Commands() adds one group of subcommands to the
// application. Whoever writes a new group adds a function here and a file of its own.
// Threads: one. Owns: CommandLine owns what was typed; the callbacks CLI11 keeps borrow it, so it
// outlives the application. Errors: usage errors are CLI11's; those of a command are what `run`
// returns.
#pragma once

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/ctl/admin_client.h"
#include "source/ctl/output.h"

namespace kith::ctl {

struct CommandLine {
  std::string control_plane = "/run/kith/controlplane.sock";
  std::string sidecar;
  // What the subcommand that was typed does: the exit code, or the error that main() prints, with
  // which it ends as 1 (65 for INVALID_ARGUMENT: what was given to it is bad).
  std::function<absl::StatusOr<int>(Output)> run;

  AdminClient ControlPlane() const { return AdminClient(control_plane, "the control plane"); }
  AdminClient Sidecar() const { return AdminClient(sidecar, "the sidecar"); }
  // For commands that have no exit code of their own.
  void RunStatus(std::function<absl::Status(Output)> command);
};

// --sidecar, on the commands that ask one. `required()` is for the caller to add.
CLI::Option* AddSidecarOption(CLI::App& command, CommandLine& line);

// What an operator does for a limited time says for how long, and who asked.
absl::StatusOr<absl::Duration> ParseTime(absl::string_view flag, const std::string& typed);
std::string Who();  // "alice (uid 1000)".

// For groups whose subcommands come from several files.
CLI::App* FindOrAddSubcommand(CLI::App& app, const std::string& name,
                              const std::string& description);

// status, token, certs, version.
void AddMeshCommands(CLI::App& app, CommandLine& line);
// ca rotate.
void AddRootRotationCommands(CLI::App& app, CommandLine& line);
// break-glass.
void AddBreakGlassCommands(CLI::App& app, CommandLine& line);
// ca, but for rotate.
void AddCaCommands(CLI::App& app, CommandLine& line);

}  // namespace kith::ctl
