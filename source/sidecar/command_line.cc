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
    "  kith-sidecar --config-env KITH_CONFIG        # the same text in a variable\n"
    "  kith-sidecar wait --timeout 60               # until the sidecar beside it is ready\n"
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
  CLI::Option* file = app.add_option("--config", line.config_file, "YAML or JSON bootstrap file");
  app.add_option("--config-env", line.config_variable,
                 "Environment variable with the bootstrap's text")
      ->type_name("NAME")
      ->excludes(file);
  app.add_flag("--check", check, "Check the bootstrap file and what it names, then exit");
  double wait_seconds = absl::ToDoubleSeconds(line.wait_timeout);
  CLI::App* wait = app.add_subcommand("wait", "Return when the sidecar of this pod is ready");
  wait->add_option("--address", line.wait_address, "Its monitoring port")->capture_default_str();
  wait->add_option("--timeout", wait_seconds, "Seconds to wait at most")->capture_default_str();
  try {
    app.parse(argc, argv);
    if (!wait->parsed() && line.config_file.empty() && line.config_variable.empty()) {
      throw CLI::RequiredError("--config or --config-env");
    }
  } catch (const CLI::ParseError& error) {
    // Prints help, version or the error with a hint.
    exit_code = app.exit(error) == 0 ? kOk : kUsage;
    return std::nullopt;
  }
  line.action = wait->parsed() ? CommandLine::Action::kWait
                : check        ? CommandLine::Action::kCheck
                               : CommandLine::Action::kRun;
  line.wait_timeout = absl::Seconds(wait_seconds);
  return line;
}

}  // namespace kith::sidecar
