#include "source/ctl/command_line.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/version.h"
#include "source/ctl/commands.h"

namespace kith::ctl {
namespace {

void AddTokenCommand(CLI::App* command, TokenRequest::Use use, const char* ttl, CommandLine& line) {
  auto request = std::make_shared<TokenRequest>();
  request->use = use;
  command->add_option("--namespace", request->name_space, "Namespace of the workload")->required();
  command->add_option("--service-account", request->service_account, "Its service account")
      ->required();
  command->add_option("--ttl", request->ttl, "How long it is valid: 30m, 24h, …")->default_val(ttl);
  command->add_option("--file", request->file,
                      "Write it to this file (mode 0600) instead of standard output");
  command->callback([&line, request] {
    line.RunStatus([&line, request](Output output) {
      return CreateToken(line.ControlPlane(), *request, output);
    });
  });
}

void AddTokenCommands(CLI::App& app, CommandLine& line) {
  CLI::App* token = app.add_subcommand("token", "Tokens that sidecars prove themselves with");
  token->require_subcommand(1);
  token->footer(R"(Examples:
  kithctl token create --namespace demo --service-account backend --file /run/kith/token
  kithctl token join --namespace demo --service-account backend --ttl 15m)");
  AddTokenCommand(token->add_subcommand("create", "Make a token for one service account"),
                  TokenRequest::Use::kAny, "24h", line);
  AddTokenCommand(
      token->add_subcommand("join",
                            "Make a token for a machine that joins: it can be used once, and is "
                            "replaced by one that its sidecar keeps up to date"),
      TokenRequest::Use::kJoin, "1h", line);
}

void AddCertificateCommands(CLI::App& app, CommandLine& line) {
  CLI::App* certs = app.add_subcommand("certs", "The certificates of a sidecar");
  certs->require_subcommand(0, 1);
  certs->footer(R"(Examples:
  kithctl certs --sidecar /run/kith/backend.sock
  kithctl certs -o json --sidecar /run/kith/backend.sock
  kithctl certs rotate --sidecar /run/kith/backend.sock)");
  AddSidecarOption(*certs, line);
  certs->callback([certs, &line] {
    if (!certs->get_subcommands().empty()) return;
    if (line.sidecar.empty()) throw CLI::RequiredError("--sidecar");
    line.RunStatus([&line](Output output) { return ShowCertificates(line.Sidecar(), output); });
  });
  CLI::App* show = certs->add_subcommand("show", "Show the chain it presents and its roots");
  AddSidecarOption(*show, line)->required();
  show->callback([&line] {
    line.RunStatus([&line](Output output) { return ShowCertificates(line.Sidecar(), output); });
  });
  auto timeout_seconds = std::make_shared<double>(10);
  CLI::App* rotate = certs->add_subcommand(
      "rotate", "Have it fetch a certificate with a new key now, and wait for it");
  AddSidecarOption(*rotate, line)->required();
  rotate->add_option("--timeout", *timeout_seconds, "Seconds to wait")->capture_default_str();
  rotate->callback([&line, timeout_seconds] {
    line.RunStatus([&line, timeout_seconds](Output output) {
      return RotateCertificate(line.Sidecar(), absl::Seconds(*timeout_seconds), output);
    });
  });
}

}  // namespace

void CommandLine::RunStatus(std::function<absl::Status(Output)> command) {
  run = [command = std::move(command)](Output output) -> absl::StatusOr<int> {
    absl::Status done = command(output);
    if (!done.ok()) return done;
    return EXIT_SUCCESS;
  };
}

CLI::App* FindOrAddSubcommand(CLI::App& app, const std::string& name,
                              const std::string& description) {
  const auto found =
      app.get_subcommands([&name](const CLI::App* each) { return each->get_name() == name; });
  if (!found.empty()) return found.front();
  CLI::App* added = app.add_subcommand(name, description);
  added->require_subcommand(1);
  return added;
}

absl::StatusOr<absl::Duration> ParseTime(absl::string_view flag, const std::string& typed) {
  absl::Duration parsed;
  if (absl::ParseDuration(typed, &parsed)) return parsed;
  return absl::InvalidArgumentError(absl::StrCat(flag, ": \"", typed, "\" is no time like 30m"));
}

std::string Who() {
  const uid_t uid = getuid();
  const passwd* entry = getpwuid(uid);  // NOLINT(concurrency-mt-unsafe): one thread.
  return absl::StrCat(entry != nullptr ? entry->pw_name : "unknown", " (uid ", uid, ")");
}

CLI::Option* AddSidecarOption(CLI::App& command, CommandLine& line) {
  return command.add_option("--sidecar", line.sidecar, "Admin socket of the sidecar to ask")
      ->envname("KITH_SIDECAR")
      ->type_name("SOCKET");
}

void AddMeshCommands(CLI::App& app, CommandLine& line) {
  CLI::App* status = app.add_subcommand(
      "status", "Workloads, their certificates, and whether their configuration is in sync");
  AddSidecarOption(*status, line);
  status->callback([&line] {
    line.RunStatus([&line](Output output) {
      return line.sidecar.empty() ? ShowMesh(line.ControlPlane(), output)
                                  : ShowSidecar(line.Sidecar(), output);
    });
  });
  AddTokenCommands(app, line);
  AddCertificateCommands(app, line);
  app.add_subcommand("version", "Print the version")->callback([&line] {
    line.RunStatus([](Output output) {
      if (output == Output::kJson) {
        std::cout << "{\"version\": \"" << base::kVersion << "\"}\n";
      } else {
        std::cout << "kithctl " << base::kVersion << "\n";
      }
      return absl::OkStatus();
    });
  });
}

}  // namespace kith::ctl
