// kith-sidecar: see --help, and run.cc for the parts it is made of.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "source/base/process.h"
#include "source/capture/command.h"
#include "source/sidecar/bootstrap.h"
#include "source/sidecar/command_line.h"
#include "source/sidecar/run.h"
#include "source/sidecar/wait.h"

namespace {

int Report(const absl::Status& status, int code) {
  if (status.ok()) return kith::sidecar::kOk;
  std::fprintf(stderr, "kith-sidecar: %s\n", std::string(status.message()).c_str());
  return code;
}

absl::StatusOr<kith::sidecar::Bootstrap> FromEnvironment(const std::string& variable) {
  const char* text = std::getenv(variable.c_str());
  if (text == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("--config-env ", variable, ": there is no such environment variable"));
  }
  return kith::sidecar::Bootstrap::Parse(text, absl::StrCat("$", variable));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace kith::sidecar;
  if (argc > 1 && absl::string_view(argv[1]) == "capture") {
    return kith::capture::RunCommand(argc - 1, argv + 1);
  }
  kith::base::KeepMemoryPrivate();
  kith::base::RaiseDescriptorLimit();
  int exit_code = kOk;
  const std::optional<CommandLine> line = ParseCommandLine(argc, argv, exit_code);
  if (!line.has_value()) return exit_code;
  if (line->action == CommandLine::Action::kWait) {
    return Report(WaitUntilReady(line->wait_address, line->wait_timeout), kFailed);
  }
  const auto bootstrap = line->config_variable.empty() ? Bootstrap::Load(line->config_file)
                                                       : FromEnvironment(line->config_variable);
  if (!bootstrap.ok()) return Report(bootstrap.status(), kBadConfiguration);
  if (line->action == CommandLine::Action::kCheck) return kOk;
  return Report(Run(*bootstrap), kFailed);
}
