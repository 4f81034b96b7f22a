// kith-sidecar: see --help, and run.cc for the parts it is made of.
#include <cstdio>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "source/base/process.h"
#include "source/capture/command.h"
#include "source/sidecar/bootstrap.h"
#include "source/sidecar/command_line.h"
#include "source/sidecar/run.h"

namespace {

int Report(const absl::Status& status, int code) {
  if (status.ok()) return kith::sidecar::kOk;
  std::fprintf(stderr, "kith-sidecar: %s\n", std::string(status.message()).c_str());
  return code;
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
  const auto bootstrap = Bootstrap::Load(line->config_file);
  if (!bootstrap.ok()) return Report(bootstrap.status(), kBadConfiguration);
  if (line->action == CommandLine::Action::kCheck) return kOk;
  return Report(Run(*bootstrap), kFailed);
}
