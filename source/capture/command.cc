#include "source/capture/command.h"

#include <cstdio>
#include <functional>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/capture/apply.h"
#include "source/capture/check.h"

namespace kith::capture {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 64;

constexpr char kDescription[] =
    "Redirects this network namespace's TCP connections into its sidecar. UDP, and so DNS, is "
    "left\n"
    "alone. Only apply and remove need the capability NET_ADMIN.";

constexpr char kFooter[] = R"(Examples:
  kith-sidecar capture print                        the rules, without changing anything
  kith-sidecar capture apply --proxy-uid 1337       capture everything but the proxy's own
  kith-sidecar capture apply --exclude-outbound-ports 5432,3306 --exclude-outbound-networks 10.96.0.1/32
  kith-sidecar capture check                        prove with probe connections that it works
  kith-sidecar capture remove                       take out what any backend wrote

Exit codes: 0 done, 1 failed (check: capture does not work), 64 wrong usage.)";

// As typed.
struct Flags {
  std::string backend = "auto";
  std::string inbound = "redirect";
  std::string ipv6 = "on";
  uint16_t inbound_port = Rules().inbound_port;
  uint16_t outbound_port = Rules().outbound_port;
  std::string include_inbound_ports = "*", exclude_inbound_ports = "15020";
  std::string include_outbound_networks = "*", exclude_outbound_networks;
  std::string include_outbound_ports, exclude_outbound_ports;
  std::string exclude_interfaces, exclude_uids;
  std::string proxy_uids = "1337", proxy_gids;
  double timeout_seconds = 3;
  bool json = false;
};

void AddRuleFlags(CLI::App& app, Flags& flags) {
  app.add_option("--backend", flags.backend, "Which tool holds the rules")
      ->check(CLI::IsMember({"auto", "nft", "iptables-nft", "iptables-legacy"}))
      ->capture_default_str();
  app.add_option("--inbound-mode", flags.inbound, "How inbound connections reach the sidecar")
      ->check(CLI::IsMember({"redirect", "tproxy"}))
      ->capture_default_str();
  app.add_option("--ipv6", flags.ipv6, "Whether IPv6 is captured as well")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  app.add_option("--inbound-port", flags.inbound_port, "The sidecar's port for captured inbound")
      ->capture_default_str();
  app.add_option("--outbound-port", flags.outbound_port, "The sidecar's port for captured outbound")
      ->capture_default_str();
  app.add_option("--proxy-uid", flags.proxy_uids, "Users of the proxy: never captured")
      ->capture_default_str();
  app.add_option("--proxy-gid", flags.proxy_gids, "Groups of the proxy: never captured");
  app.add_option("--include-inbound-ports", flags.include_inbound_ports, "Ports, or * for all")
      ->capture_default_str();
  app.add_option("--exclude-inbound-ports", flags.exclude_inbound_ports, "Ports left alone")
      ->capture_default_str();
  app.add_option("--include-outbound-networks", flags.include_outbound_networks,
                 "Addresses and ranges, or * for all")
      ->capture_default_str();
  app.add_option("--exclude-outbound-networks", flags.exclude_outbound_networks,
                 "Addresses and ranges left alone");
  app.add_option("--include-outbound-ports", flags.include_outbound_ports,
                 "Ports captured whatever their address");
  app.add_option("--exclude-outbound-ports", flags.exclude_outbound_ports, "Ports left alone");
  app.add_option("--exclude-interfaces", flags.exclude_interfaces, "Interfaces left alone");
  app.add_option("--exclude-uids", flags.exclude_uids,
                 "Users whose outbound connections are left alone");
}

absl::Status AsFlag(const absl::Status& status, absl::string_view flag) {
  return base::Annotate(status, flag);
}

template <typename T, typename Parse>
absl::Status Read(absl::string_view flag, const std::string& text, Parse parse, T& out) {
  auto value = parse(text);
  if (!value.ok()) return AsFlag(value.status(), flag);
  out = *std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<Rules> ReadRules(const Flags& flags) {
  Rules rules;
  rules.inbound = flags.inbound == "tproxy" ? Rules::Inbound::kTproxy : Rules::Inbound::kRedirect;
  rules.ipv6 = flags.ipv6 == "on";
  rules.inbound_port = flags.inbound_port;
  rules.outbound_port = flags.outbound_port;
  KITH_RETURN_IF_ERROR(Read("--include-inbound-ports", flags.include_inbound_ports,
                            ParsePortSelection, rules.include_inbound_ports));
  KITH_RETURN_IF_ERROR(Read("--exclude-inbound-ports", flags.exclude_inbound_ports, ParsePorts,
                            rules.exclude_inbound_ports));
  KITH_RETURN_IF_ERROR(Read("--include-outbound-networks", flags.include_outbound_networks,
                            ParseNetworkSelection, rules.include_outbound_networks));
  KITH_RETURN_IF_ERROR(Read("--exclude-outbound-networks", flags.exclude_outbound_networks,
                            ParseNetworks, rules.exclude_outbound_networks));
  KITH_RETURN_IF_ERROR(Read("--include-outbound-ports", flags.include_outbound_ports, ParsePorts,
                            rules.include_outbound_ports));
  KITH_RETURN_IF_ERROR(Read("--exclude-outbound-ports", flags.exclude_outbound_ports, ParsePorts,
                            rules.exclude_outbound_ports));
  KITH_RETURN_IF_ERROR(Read("--exclude-interfaces", flags.exclude_interfaces, ParseInterfaces,
                            rules.exclude_interfaces));
  KITH_RETURN_IF_ERROR(Read("--exclude-uids", flags.exclude_uids, ParseUsers, rules.exclude_uids));
  KITH_RETURN_IF_ERROR(Read("--proxy-uid", flags.proxy_uids, ParseUsers, rules.proxy_uids));
  KITH_RETURN_IF_ERROR(Read("--proxy-gid", flags.proxy_gids, ParseGroups, rules.proxy_gids));
  KITH_RETURN_IF_ERROR(Validate(rules));
  return rules;
}

absl::StatusOr<Backend> ReadBackend(const std::string& text) {
  for (const Backend backend :
       {Backend::kNftables, Backend::kIptablesNft, Backend::kIptablesLegacy}) {
    if (Name(backend) == text) return backend;
  }
  return ChooseBackend();
}

absl::string_view Name(Finding::Result result) {
  switch (result) {
    case Finding::Result::kWorks:
      return "works";
    case Finding::Result::kFails:
      return "fails";
    case Finding::Result::kNotTried:
      return "not tried";
  }
  return "";
}

// Prints the findings; whether capture works as far as it was tried, and something was tried.
bool Report(const std::vector<Finding>& findings, bool as_json) {
  bool fails = false, works = false;
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    fails |= finding.result == Finding::Result::kFails;
    works |= finding.result == Finding::Result::kWorks;
    const std::string result(Name(finding.result));
    if (as_json) {
      list.push_back({{"what", finding.what}, {"result", result}, {"detail", finding.detail}});
    } else {
      std::cout << finding.what << ": " << result
                << (finding.detail.empty() ? "" : ": " + finding.detail) << "\n";
    }
  }
  if (as_json) std::cout << list.dump(2) << "\n";
  return works && !fails;
}

}  // namespace

int RunCommand(int argc, char** argv) {
  Flags flags;
  std::function<absl::StatusOr<int>(const Rules&)> run;
  CLI::App app(kDescription, "kith-sidecar capture");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  AddRuleFlags(app, flags);
  app.add_subcommand("apply", "Write the rules; what an earlier apply wrote is replaced")
      ->callback([&] {
        run = [&](const Rules& rules) -> absl::StatusOr<int> {
          KITH_ASSIGN_OR_RETURN(const Backend backend, ReadBackend(flags.backend));
          KITH_RETURN_IF_ERROR(Apply(rules, backend));
          std::cout << "capture applied with " << Name(backend) << "\n";
          return kOk;
        };
      });
  app.add_subcommand("remove", "Take the rules out")->callback([&] {
    run = [](const Rules&) -> absl::StatusOr<int> {
      KITH_RETURN_IF_ERROR(Remove());
      return kOk;
    };
  });
  CLI::App* check = app.add_subcommand("check", "Prove with probe connections that capture works");
  check->add_option("--timeout", flags.timeout_seconds, "Seconds a probe may take")
      ->capture_default_str();
  check->add_flag("--json", flags.json, "Print JSON");
  check->callback([&] {
    run = [&](const Rules& rules) -> absl::StatusOr<int> {
      return Report(Check(rules, absl::Seconds(flags.timeout_seconds)), flags.json) ? kOk : kFailed;
    };
  });
  app.add_subcommand("print", "Print the rules and change nothing")->callback([&] {
    run = [&](const Rules& rules) -> absl::StatusOr<int> {
      KITH_ASSIGN_OR_RETURN(const Backend backend, ReadBackend(flags.backend));
      std::cout << Print(rules, backend);
      return kOk;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  const absl::StatusOr<Rules> rules = ReadRules(flags);
  if (!rules.ok()) {
    std::cerr << "kith-sidecar capture: " << rules.status().message() << "\n";
    return kUsage;
  }
  const absl::StatusOr<int> done = run(*rules);
  if (done.ok()) return *done;
  std::cerr << "kith-sidecar capture: " << done.status().message() << "\n";
  return kFailed;
}

}  // namespace kith::capture
