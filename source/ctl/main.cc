// kithctl: the person's tool. command_line.h has the groups of its subcommands.

#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "source/ctl/authz_commands.h"
#include "source/ctl/check_command.h"
#include "source/ctl/command_line.h"
#include "source/ctl/inject_commands.h"
#include "source/ctl/install.h"

namespace {

constexpr int kFailure = 1;   // The command was understood and could not be carried out.
constexpr int kUsage = 64;    // The command line was not understood.
constexpr int kBadData = 65;  // What it was given to read is wrong.

constexpr char kFooter[] = R"(Examples:
  kithctl status                                       the workloads of the mesh
  kithctl status --sidecar /run/kith/backend.sock      one sidecar
  kithctl certs show --sidecar /run/kith/backend.sock  its certificates
  kithctl token create --namespace demo --service-account backend --ttl 24h --file token

Environment: KITH_CONTROL_PLANE and KITH_SIDECAR give the sockets' defaults.
Exit codes: 0 done, 1 failed (the reason is on standard error), 64 wrong usage, 65 bad input.)";

}  // namespace

int main(int argc, char** argv) {
  using kith::ctl::Output;
  kith::ctl::CommandLine line;
  std::string output = "table";

  CLI::App app("kithctl shows and manages a Kith mesh.", "kithctl");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--control-plane", line.control_plane, "Admin socket of the control plane")
      ->envname("KITH_CONTROL_PLANE")
      ->type_name("SOCKET")
      ->capture_default_str();
  app.add_option("-o,--output", output, "How to print")
      ->check(CLI::IsMember({"table", "json", "junit"}))
      ->capture_default_str();
  kith::ctl::AddMeshCommands(app, line);
  kith::ctl::AddRootRotationCommands(app, line);
  kith::ctl::AddBreakGlassCommands(app, line);
  kith::ctl::AddCaCommands(app, line);
  kith::ctl::AddAuthzCommands(app, line);
  kith::ctl::AddInjectCommands(app, line);
  kith::ctl::AddInstallCommand(app, line);
  kith::ctl::AddCheckCommand(app, line);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "kithctl: " << error.what() << "; see 'kithctl --help'\n";
    return kUsage;
  }
  const absl::StatusOr<int> done = line.run(output == "json"    ? Output::kJson
                                            : output == "junit" ? Output::kJunit
                                                                : Output::kTable);
  if (done.ok()) return *done;
  std::cerr << "kithctl: " << done.status().message() << "\n";
  return absl::IsInvalidArgument(done.status()) ? kBadData : kFailure;
}
