#include "source/sidecar/command_line.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "source/base/version.h"

namespace kith::sidecar {
namespace {

constexpr char kDescription[] =
    "Stands beside one application and makes its connections mutually authenticated,\n"
    "authorized and observable.";

constexpr char kFooter[] =
    "Examples:\n"
    "  kith-sidecar --config sidecar.yaml\n"
    "  kith-sidecar --config sidecar.yaml --check   # before a roll-out\n"
    "  kith-sidecar capture --help                  # redirect this host's traffic into it\n"
    "\n"
    "sidecar.yaml:\n"
    "  workload: {name: backend-1, namespace: demo, serviceAccount: backend}\n"
    "  controlPlane:\n"
    "    address: 10.0.0.2:15012\n"
    "    serverName: kith-controlplane\n"
    "    trustBundleFile: /etc/kith/root-cert.pem\n"
    "    tokenFile: /etc/kith/token\n"
    "  inbound:\n"
    "  - {bind: \"10.0.0.7:8443\", application: \"127.0.0.1:8080\", protocol: HTTP}\n"
    "  admin: {socket: /run/kith/backend.sock}\n"
    "\n"
    "Signals: SIGTERM and SIGINT drain connections, then stop; a second one stops at once.\n"
    "SIGHUP opens the access log anew.\n"
    "Exit codes: 0 stopped by a signal (or --check found nothing), 1 failed while running,\n"
    "64 wrong usage, 65 bad configuration.";

}  // namespace

std::optional<CommandLine> ParseCommandLine(int argc, char** argv, int& exit_code) {
  CommandLine line;
  bool check = false;
  CLI::App app(kDescription, "kith-sidecar");
  app.footer(kFooter);
  app.set_version_flag("--version", absl::StrCat("kith-sidecar ", base::kVersion));
  app.add_option("--config", line.config_file, "YAML or JSON bootstrap file")->required();
  app.add_flag("--check", check, "Check the bootstrap file and what it names, then exit");
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

}  // namespace kith::sidecar
