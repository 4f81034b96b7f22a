// kith-controlplane: see --help, and run.cc for the parts it is made of.
#include <cstdio>
#include <optional>

#include "absl/synchronization/mutex.h"
#include "source/base/process.h"
#include "source/controlplane/check.h"
#include "source/controlplane/command_line.h"
#include "source/controlplane/run.h"
#include "source/controlplane/settings.h"

namespace {

int Report(const absl::Status& status) {
  if (status.ok()) return kith::controlplane::kOk;
  std::fprintf(stderr, "kith-controlplane: %s\n", std::string(status.message()).c_str());
  const bool configuration =
      absl::IsInvalidArgument(status) || absl::IsNotFound(status) || absl::IsUnimplemented(status);
  return configuration ? kith::controlplane::kBadConfiguration : kith::controlplane::kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace kith::controlplane;
  // gRPC's locks are absl's, which in Debian's build keep a graph of who waits for whom.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  kith::base::KeepMemoryPrivate();
  kith::base::RaiseDescriptorLimit();
  int exit_code = kOk;
  const std::optional<CommandLine> line = ParseCommandLine(argc, argv, exit_code);
  if (!line.has_value()) return exit_code;
  const auto settings = Settings::Load(line->config_file);
  if (!settings.ok()) {
    std::fprintf(stderr, "kith-controlplane: %s\n",
                 std::string(settings.status().message()).c_str());
    return kBadConfiguration;
  }
  if (line->action == CommandLine::Action::kCheck) return Report(CheckRegistry(*settings));
  return Report(Run(*settings));
}
