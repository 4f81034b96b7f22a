#include "source/controlplane/command_line.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "source/base/version.h"

namespace kith::controlplane {
namespace {

constexpr char kDescription[] =
    "Certificate authority and configuration of a Kith mesh.\n"
    "\n"
    "It issues short-lived certificates to sidecars that bring a token, and sends them the "
    "policies\n"
    "and services found in a directory of YAML files, which it watches.";

constexpr char kFooter[] =
    "Examples:\n"
    "  kith-controlplane --config controlplane.yaml\n"
    "  kith-controlplane --config controlplane.yaml --check   # before a roll-out\n"
    "\n"
    "controlplane.yaml:\n"
    "  stateDirectory: /var/lib/kith\n"
    "  registry:\n"
    "    directory: /etc/kith/mesh\n"
    "\n"
    "Exit codes: 0 stopped by a signal (or --check found nothing), 1 failed while running,\n"
    "64 wrong usage, 65 bad configuration or registry.";

}  // namespace

std::optional<CommandLine> ParseCommandLine(int argc, char** argv, int& exit_code) {
  CommandLine line;
  bool check = false;
  CLI::App app(kDescription, "kith-controlplane");
  app.footer(kFooter);
  app.set_version_flag("--version", absl::StrCat("kith-controlplane ", base::kVersion));
  app.add_option("--config", line.config_file, "YAML or JSON bootstrap file")->required();
  app.add_flag("--check", check, "Check the bootstrap file and the registry, then exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Prints help, version or the error with a hint.
    exit_code = app.exit(error) == 0 ? kOk : kUsage;
    return std::nullopt;
  }
  line.action = check ? CommandLine::Action::kCheck : CommandLine::Action::kRun;
  return line;
}

}  // namespace kith::controlplane
