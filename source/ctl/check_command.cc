#include "source/ctl/check_command.h"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/ctl/check_cluster.h"
#include "source/ctl/check_list.h"
#include "source/ctl/check_local.h"
#include "source/kubernetes/kubeconfig.h"

namespace kith::ctl {
namespace {

constexpr char kFooter[] = R"(Examples:
  kithctl check --pre                                   before the installation
  kithctl check                                         after it
  kithctl check --context staging -o json
  kithctl check --server https://10.0.0.1:6443 --ca-file ca.pem --token-file token
  kithctl check --socket /run/kith/controlplane.sock --socket /run/kith/backend.sock

With --socket, those alone are looked at, and no cluster. Of a kubeconfig, tokens and client
certificates are understood.
Exit codes: 0 no check failed (warnings may be there), 1 one did, 64 wrong usage, 65 the kubeconfig
cannot be used.)";

struct CheckOptions {
  bool pre = false;
  std::string kubeconfig, context, server, token_file, ca_file;
  std::string name_space = "kith-system";
  std::vector<std::string> sockets;
};

absl::StatusOr<kubernetes::ApiClient::Options> ReadApi(const CheckOptions& options) {
  if (options.server.empty()) {
    const std::string file =
        options.kubeconfig.empty() ? kubernetes::DefaultKubeconfig() : options.kubeconfig;
    auto read = kubernetes::ReadKubeconfig(file, options.context);
    if (read.ok()) return read;
    return absl::InvalidArgumentError(absl::StrCat(
        read.status().message(), absl::IsNotFound(read.status())
                                     ? "; name one with --kubeconfig, or --server, or a --socket"
                                     : ""));
  }
  kubernetes::ApiClient::Options api;
  api.user_agent = "kithctl";
  api.ca_file = options.ca_file;
  api.token_file = options.token_file;
  KITH_RETURN_IF_ERROR(kubernetes::SetServer(absl::StartsWith(options.server, "https://")
                                                 ? options.server
                                                 : absl::StrCat("https://", options.server),
                                             api));
  return api;
}

absl::StatusOr<int> Check(const CheckOptions& options, Output output) {
  CheckList list;
  const absl::Time now = absl::Now();
  for (const std::string& socket : options.sockets) CheckSocket(socket, now, list);
  if (options.sockets.empty()) {
    KITH_ASSIGN_OR_RETURN(kubernetes::ApiClient::Options api, ReadApi(options));
    api.timeout = absl::Seconds(10);
    const std::string server = absl::StrCat("https://", api.host, ":", api.port);
    const kubernetes::ApiClient client(std::move(api));
    ClusterCheck check(
        {.client = &client, .server = server, .name_space = options.name_space, .now = now}, list);
    if (check.Api()) {
      if (options.pre) {
        check.BeforeInstallation();
      } else {
        check.AfterInstallation();
      }
    }
  }
  if (output == Output::kJson) {
    std::cout << list.ToJson().dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
              << "\n";
  } else {
    std::cout << list.ToText(MarksOfOutput());
  }
  return list.any_bad() ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace

void AddCheckCommand(CLI::App& app, CommandLine& line) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* check = app.add_subcommand(
      "check", "Find out what is wrong, before and after installation in Kubernetes");
  check->footer(kFooter);
  check->add_flag("--pre", options->pre, "May Kith be installed, and is nothing in its way?");
  check->add_option("--namespace", options->name_space, "Of the control plane")
      ->capture_default_str();
  check->add_option("--kubeconfig", options->kubeconfig, "Default: as kubectl finds it")
      ->type_name("FILE");
  check->add_option("--context", options->context, "Of the kubeconfig; default: its current one");
  CLI::Option* server = check->add_option("--server", options->server, "Without a kubeconfig")
                            ->type_name("https://HOST:PORT");
  check->add_option("--token-file", options->token_file, "A service account's token")
      ->needs(server)
      ->type_name("FILE");
  check->add_option("--ca-file", options->ca_file, "The API's roots; default: the system's")
      ->needs(server)
      ->type_name("FILE");
  check
      ->add_option("--socket", options->sockets,
                   "Look at a control plane or sidecar of this machine instead")
      ->type_name("SOCKET");
  check->callback([&line, options] {
    line.run = [options](Output output) { return Check(*options, output); };
  });
}

}  // namespace kith::ctl
