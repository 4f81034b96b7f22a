#include "source/ctl/debug_headers.h"

#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/ctl/table.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

constexpr char kPath[] = "/v1/debug-headers";
constexpr char kFooter[] = R"(Examples:
  kithctl authz debug-headers start --sidecar /run/kith/backend.sock \
      --principal cluster.local/ns/demo/sa/frontend --for 10m
  kithctl authz debug-headers status --sidecar /run/kith/backend.sock
  kithctl authz debug-headers end --sidecar /run/kith/backend.sock \
      --principal cluster.local/ns/demo/sa/frontend

Asked of the sidecar that decides, the server's. Responses to the caller then have x-kith-decision.)";

void Print(const json& state, Output output) {
  if (output == Output::kJson) {
    std::cout << state.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    return;
  }
  const json callers = state.value("callers", json::array());
  if (callers.empty()) {
    std::cout << "no caller is told decisions\n";
    return;
  }
  Table table({"CALLER", "ENDS", "SWITCHED ON BY"});
  for (const json& caller : callers) {
    table.AddRow({caller.value("principal", ""), FromNow(caller.value("until", ""), absl::Now()),
                  caller.value("who", "")});
  }
  std::cout << table.ToString();
}

absl::Status Post(const CommandLine& line, absl::string_view path, const json& body,
                  Output output) {
  KITH_ASSIGN_OR_RETURN(const json state, line.Sidecar().Post(path, body));
  Print(state, output);
  return absl::OkStatus();
}

}  // namespace

void AddDebugHeadersCommands(CLI::App& authz, CommandLine& line) {
  CLI::App* group = authz.add_subcommand(
      "debug-headers", "Tell one caller, in responses, what was decided on its requests");
  group->require_subcommand(1);
  group->footer(kFooter);
  struct Typed {
    std::string principal;
    std::string time;
  };
  auto typed = std::make_shared<Typed>();
  const auto add_principal = [typed](CLI::App& command) {
    command.add_option("--principal", typed->principal, "The caller, as policies name it")
        ->required();
  };
  CLI::App* start = group->add_subcommand("start", "Switch them on, for a limited time");
  AddSidecarOption(*start, line)->required();
  add_principal(*start);
  start->add_option("--for", typed->time, "How long, at most 1h")->default_val("10m");
  start->callback([&line, typed] {
    line.RunStatus([&line, typed](Output output) -> absl::Status {
      KITH_ASSIGN_OR_RETURN(const absl::Duration time, ParseTime("--for", typed->time));
      return Post(line, kPath,
                  {{"principal", typed->principal},
                   {"seconds", absl::ToDoubleSeconds(time)},
                   {"who", Who()}},
                  output);
    });
  });
  CLI::App* status = group->add_subcommand("status", "Who has them, and until when");
  AddSidecarOption(*status, line)->required();
  status->callback([&line] {
    line.RunStatus([&line](Output output) -> absl::Status {
      KITH_ASSIGN_OR_RETURN(const json state, line.Sidecar().Get(kPath));
      Print(state, output);
      return absl::OkStatus();
    });
  });
  CLI::App* end = group->add_subcommand("end", "Switch them off now");
  AddSidecarOption(*end, line)->required();
  add_principal(*end);
  end->callback([&line, typed] {
    line.RunStatus([&line, typed](Output output) {
      return Post(line, absl::StrCat(kPath, "/end"),
                  {{"principal", typed->principal}, {"who", Who()}}, output);
    });
  });
}

}  // namespace kith::ctl
