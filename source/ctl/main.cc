// kithctl: the person's tool. Reads the command line; commands.h does the work.

#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "source/base/version.h"
#include "source/ctl/commands.h"

namespace {

using kith::ctl::AdminClient;
using kith::ctl::Output;

constexpr int kFailure = 1;  // The command was understood and could not be carried out.
constexpr int kUsage = 64;   // The command line was not understood.

constexpr char kFooter[] = R"(Examples:
  kithctl status                                       the workloads of the mesh
  kithctl status --sidecar /run/kith/backend.sock      one sidecar
  kithctl certs show --sidecar /run/kith/backend.sock  its certificates
  kithctl token create --namespace demo --service-account backend --ttl 24h --file token

Environment: KITH_CONTROL_PLANE and KITH_SIDECAR give the sockets' defaults.
Exit codes: 0 done, 1 failed (the reason is on standard error), 64 wrong usage.)";

struct Options {
  std::string control_plane = "/run/kith/controlplane.sock";
  std::string sidecar;
  std::string output = "table";
  kith::ctl::TokenRequest token;
  double timeout_seconds = 10;
};

AdminClient ControlPlane(const Options& options) {
  return AdminClient(options.control_plane, "the control plane");
}
AdminClient Sidecar(const Options& options) { return AdminClient(options.sidecar, "the sidecar"); }

void AddSidecarOption(CLI::App& command, Options& options, bool required) {
  CLI::Option* option =
      command.add_option("--sidecar", options.sidecar, "Admin socket of the sidecar to ask")
          ->envname("KITH_SIDECAR")
          ->type_name("SOCKET");
  if (required) option->required();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::function<absl::Status(Output)> run;

  CLI::App app("kithctl shows and manages a Kith mesh.", "kithctl");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--control-plane", options.control_plane, "Admin socket of the control plane")
      ->envname("KITH_CONTROL_PLANE")
      ->type_name("SOCKET")
      ->capture_default_str();
  app.add_option("-o,--output", options.output, "How to print")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();

  CLI::App* status = app.add_subcommand(
      "status", "Workloads, their certificates, and whether their configuration is in sync");
  AddSidecarOption(*status, options, /*required=*/false);
  status->callback([&] {
    run = [&](Output output) {
      return options.sidecar.empty() ? kith::ctl::ShowMesh(ControlPlane(options), output)
                                     : kith::ctl::ShowSidecar(Sidecar(options), output);
    };
  });

  CLI::App* token = app.add_subcommand("token", "Tokens that sidecars prove themselves with");
  token->require_subcommand(1);
  CLI::App* create = token->add_subcommand("create", "Make a token for one service account");
  create->add_option("--namespace", options.token.name_space, "Namespace of the workload")
      ->required();
  create->add_option("--service-account", options.token.service_account, "Its service account")
      ->required();
  create->add_option("--ttl", options.token.ttl, "How long it is valid: 30m, 24h, …")
      ->default_val("24h");
  create->add_option("--file", options.token.file,
                     "Write it to this file (mode 0600) instead of standard output");
  create->callback([&] {
    run = [&](Output output) {
      return kith::ctl::CreateToken(ControlPlane(options), options.token, output);
    };
  });

  CLI::App* certs = app.add_subcommand("certs", "The certificates of a sidecar");
  certs->require_subcommand(1);
  CLI::App* show = certs->add_subcommand("show", "Show the chain it presents and its roots");
  AddSidecarOption(*show, options, /*required=*/true);
  show->callback([&] {
    run = [&](Output output) { return kith::ctl::ShowCertificates(Sidecar(options), output); };
  });
  CLI::App* rotate = certs->add_subcommand(
      "rotate", "Have it fetch a certificate with a new key now, and wait for it");
  AddSidecarOption(*rotate, options, /*required=*/true);
  rotate->add_option("--timeout", options.timeout_seconds, "Seconds to wait")
      ->capture_default_str();
  rotate->callback([&] {
    run = [&](Output output) {
      return kith::ctl::RotateCertificate(Sidecar(options), absl::Seconds(options.timeout_seconds),
                                          output);
    };
  });

  app.add_subcommand("version", "Print the version")->callback([&] {
    run = [](Output output) {
      if (output == Output::kJson) {
        std::cout << "{\"version\": \"" << kith::base::kVersion << "\"}\n";
      } else {
        std::cout << "kithctl " << kith::base::kVersion << "\n";
      }
      return absl::OkStatus();
    };
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "kithctl: " << error.what() << "; see 'kithctl --help'\n";
    return kUsage;
  }
  const absl::Status done = run(options.output == "json" ? Output::kJson : Output::kTable);
  if (done.ok()) return EXIT_SUCCESS;
  std::cerr << "kithctl: " << done.message() << "\n";
  return kFailure;
}
