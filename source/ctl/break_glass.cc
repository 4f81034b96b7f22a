#include "source/ctl/break_glass.h"

#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/ctl/command_line.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

constexpr char kPath[] = "/v1/break-glass";

void Print(const json& state, Output output) {
  if (output == Output::kJson) {
    std::cout << state.dump(2) << "\n";
  } else if (!state.value("active", false)) {
    std::cout << (state.value("permitted", false) ? "not active\n" : "not active, not permitted\n");
  } else {
    std::cout << "ACTIVE until " << state.value("until", "") << ", started "
              << state.value("started", "") << " by " << state.value("who", "") << ": "
              << state.value("reason", "") << "\n";
  }
}

}  // namespace

absl::Status StartBreakGlass(const AdminClient& sidecar, const std::string& time,
                             const std::string& reason, Output output) {
  KITH_ASSIGN_OR_RETURN(const absl::Duration parsed, ParseTime("--for", time));
  KITH_ASSIGN_OR_RETURN(
      const json state,
      sidecar.Post(
          kPath, {{"seconds", absl::ToDoubleSeconds(parsed)}, {"reason", reason}, {"who", Who()}}));
  Print(state, output);
  return absl::OkStatus();
}

absl::Status ShowBreakGlass(const AdminClient& sidecar, Output output) {
  KITH_ASSIGN_OR_RETURN(const json state, sidecar.Get(kPath));
  Print(state, output);
  return absl::OkStatus();
}

absl::Status EndBreakGlass(const AdminClient& sidecar, Output output) {
  KITH_ASSIGN_OR_RETURN(const json state,
                        sidecar.Post(absl::StrCat(kPath, "/end"), {{"who", Who()}}));
  Print(state, output);
  return absl::OkStatus();
}

void AddBreakGlassCommands(CLI::App& app, CommandLine& line) {
  CLI::App* group = app.add_subcommand(
      "break-glass", "Keep a workload serving, for a time, although its certificates have ended");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  kithctl break-glass start --sidecar /run/kith/sidecar.sock --for 30m "
      "--reason 'INC-42: the CA is down'\n"
      "  kithctl break-glass status --sidecar /run/kith/sidecar.sock -o json\n"
      "  kithctl break-glass end --sidecar /run/kith/sidecar.sock");
  struct Typed {
    std::string time;
    std::string reason;
  };
  auto typed = std::make_shared<Typed>();
  CLI::App* start = group->add_subcommand("start", "Accept ended certificates for a limited time");
  AddSidecarOption(*start, line)->required();
  start->add_option("--for", typed->time, "How long: 30m, 2h")->required();
  start->add_option("--reason", typed->reason, "Why, for the audit")->required();
  start->callback([&line, typed] {
    line.RunStatus([&line, typed](Output output) {
      return StartBreakGlass(line.Sidecar(), typed->time, typed->reason, output);
    });
  });
  CLI::App* status = group->add_subcommand("status", "Whether one is active, until when and why");
  AddSidecarOption(*status, line)->required();
  status->callback([&line] {
    line.RunStatus([&line](Output output) { return ShowBreakGlass(line.Sidecar(), output); });
  });
  CLI::App* end = group->add_subcommand("end", "End it now");
  AddSidecarOption(*end, line)->required();
  end->callback([&line] {
    line.RunStatus([&line](Output output) { return EndBreakGlass(line.Sidecar(), output); });
  });
}

}  // namespace kith::ctl
