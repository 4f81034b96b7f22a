// kith-sidecar's command line.
// Threads: main's. Owns: plain values. Errors: usage errors are printed by ParseCommandLine()
// itself.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace kith::sidecar {

// Exit codes, as sysexits.h has them; documented in docs/cli.md.
enum ExitCode : int { kOk = 0, kFailed = 1, kUsage = 64, kBadConfiguration = 65 };

struct CommandLine {
  enum class Action { kRun, kCheck, kWait };
  std::string config_file;
  std::string config_variable;  // Of the environment, instead of a file.
  Action action = Action::kRun;
  // Of kWait: whom to ask, and for how long.
  std::string wait_address = "127.0.0.1:15020";
  absl::Duration wait_timeout = absl::Minutes(1);
};

// Nothing when the process is to end with `exit_code`: help or version were asked for, or the usage
// was wrong.
std::optional<CommandLine> ParseCommandLine(int argc, char** argv, int& exit_code);

}  // namespace kith::sidecar
