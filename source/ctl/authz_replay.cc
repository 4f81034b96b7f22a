#include "source/ctl/authz_replay.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/ctl/authz_explain.h"

namespace kith::ctl {
namespace {

using nlohmann::json;
using policy::Truth;

constexpr char kFooter[] = R"(Examples:
  kithctl authz replay --log access.log --policies new/ --label app=backend
  kithctl authz replay --log a.log --log b.log --policies new/ --old current/ \
      --label demo/backend:app=backend --label demo/orders:app=orders

Without --old the decisions that the log records are compared with.
Exit codes: 0 every request fares as before, 1 some do not or cannot be judged, 64 wrong usage,
65 bad input. docs/authorization-tools.md says what a log tells.)";

absl::string_view NameOf(Truth truth) {
  return truth == Truth::kYes ? "allowed" : truth == Truth::kNo ? "denied" : "unknown";
}

std::string ExampleOf(const LogRecord& record) {
  std::string text = record.http ? absl::StrCat(record.method, " ", record.path) : "a connection";
  if (record.port != 0) absl::StrAppend(&text, " on port ", record.port);
  if (!record.time.empty()) absl::StrAppend(&text, ", ", record.time);
  if (!record.request_id.empty()) absl::StrAppend(&text, ", request ", record.request_id);
  return text;
}

// The rule that decides, or what an ALLOW that is nearest lacks, without the request's own values.
std::string ReasonOf(const CaseContext& context, const LogRecord& record) {
  std::vector<std::string> missing;
  const absl::optional<Verdict> verdict = ExplainLogged(context, record, missing);
  if (!verdict || !verdict->reasons) return verdict ? verdict->explanation : "";
  const policy::Explanation& reasons = *verdict->reasons;
  if (reasons.decision.rule >= 0) {
    return absl::StrCat(reasons.decision.policy, " rules[", reasons.decision.rule, "]");
  }
  if (reasons.decision.allowed) return "no ALLOW policy applies";
  if (reasons.nearest_rule < 0) return reasons.unmatched;
  return absl::StrCat("nearest is ", reasons.nearest_policy, " rules[", reasons.nearest_rule, "]: ",
                      absl::StrJoin(reasons.mismatches, ", ",
                                    [](std::string* out, const policy::Mismatch& mismatch) {
                                      absl::StrAppend(out, mismatch.field);
                                    }));
}

json JsonOf(const ReplayGroup& group) {
  return {{"workload", group.workload}, {"source", group.source}, {"before", group.before},
          {"after", group.after},       {"why", group.why},       {"count", group.count},
          {"example", group.example}};
}

struct Options {
  std::vector<std::string> logs, policies, old_policies, labels;
  MeshOptions mesh;
};

absl::Status Load(const std::vector<std::string>& paths, const MeshOptions& mesh,
                  AuthzContext& context) {
  KITH_RETURN_IF_ERROR(Apply(mesh, context));
  KITH_ASSIGN_OR_RETURN(const auto documents, ReadDocuments(paths));
  for (const config::Document& document : documents) KITH_RETURN_IF_ERROR(context.Add(document));
  return absl::OkStatus();
}

void Print(const Replay& replay, const LogCounts& counts, Output output) {
  const std::vector<ReplayGroup> groups = replay.Groups();
  if (output == Output::kJson) {
    json list = json::array();
    for (const ReplayGroup& group : groups) list.push_back(JsonOf(group));
    const json all = {{"groups", std::move(list)},          {"judged", replay.judged()},
                      {"changed", replay.changed()},        {"unknown", replay.unknown()},
                      {"passedOver", replay.passed_over()}, {"unreadable", counts.unreadable}};
    std::cout << all.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    return;
  }
  for (const ReplayGroup& group : groups) {
    std::cout << group.count << " x " << group.before << " -> " << group.after << ": "
              << group.source << " to " << group.workload << "\n    "
              << (group.after == "unknown" ? "the log does not tell " : "") << group.why
              << "\n    such as " << group.example << "\n";
  }
  if (counts.unreadable > 0) {
    std::cerr << "kithctl: " << counts.unreadable
              << " lines are not of an access log, the first is " << counts.first_error << "\n";
  }
  std::cout << replay.judged() << " requests judged: " << replay.changed() << " change, "
            << replay.unknown() << " cannot be said; " << replay.passed_over()
            << " lines without a decision passed over\n";
}

absl::StatusOr<int> Run(const Options& options, Output output) {
  AuthzContext after(AuthzContext::Others::kPassedOver), before(AuthzContext::Others::kPassedOver);
  KITH_RETURN_IF_ERROR(Load(options.policies, options.mesh, after));
  KITH_RETURN_IF_ERROR(Load(options.old_policies, options.mesh, before));
  KITH_ASSIGN_OR_RETURN(const WorkloadLabels labels, WorkloadLabels::Parse(options.labels));
  Replay replay(after, options.old_policies.empty() ? nullptr : &before, labels);
  absl::Status added = absl::OkStatus();
  KITH_ASSIGN_OR_RETURN(const LogCounts counts,
                        ReadLogs(options.logs, [&](const LogRecord& record) {
                          if (added.ok()) added = replay.Add(record);
                        }));
  KITH_RETURN_IF_ERROR(added);
  if (counts.lines > 0 && counts.unreadable == counts.lines) {
    return absl::InvalidArgumentError(counts.first_error);
  }
  Print(replay, counts, output);
  return replay.changed() + replay.unknown() > 0 ? kNo : EXIT_SUCCESS;
}

}  // namespace

absl::StatusOr<const Replay::Contexts*> Replay::ContextsOf(const std::string& workload) {
  const auto found = contexts_.find(workload);
  if (found != contexts_.end()) return &found->second;
  const std::string name_space = workload.substr(0, workload.find('/'));
  const bool needed =
      new_.SelectsByLabels(name_space) || (old_ != nullptr && old_->SelectsByLabels(name_space));
  KITH_ASSIGN_OR_RETURN(const WorkloadSpec spec,
                        labels_.Of(workload, needed ? WorkloadLabels::Labels::kNeeded
                                                    : WorkloadLabels::Labels::kNotNeeded));
  Contexts contexts;
  KITH_ASSIGN_OR_RETURN(contexts.after, new_.For(spec));
  if (old_ != nullptr) {
    KITH_ASSIGN_OR_RETURN(contexts.before, old_->For(spec));
  }
  return &contexts_.emplace(workload, std::move(contexts)).first->second;
}

absl::Status Replay::Add(const LogRecord& record) {
  if (!record.inbound || record.decision.empty() || record.workload.empty()) {
    ++passed_over_;
    return absl::OkStatus();
  }
  KITH_ASSIGN_OR_RETURN(const Contexts* const contexts, ContextsOf(record.workload));
  ++judged_;
  ReplayGroup group;
  group.workload = record.workload;
  group.source = record.Source();
  std::vector<std::string> missing;
  group.before = record.decision;
  if (old_ != nullptr) {
    LoggedVerdict before = JudgeLogged(contexts->before, record);
    group.before = std::string(NameOf(before.allowed));
    missing = std::move(before.missing);
  }
  LoggedVerdict after = JudgeLogged(contexts->after, record);
  group.after = std::string(NameOf(after.allowed));
  const bool unknown = group.before == "unknown" || group.after == "unknown";
  if (!unknown && group.before == group.after) return absl::OkStatus();
  ++(unknown ? unknown_ : changed_);
  missing.insert(missing.end(), after.missing.begin(), after.missing.end());
  group.why = unknown ? absl::StrJoin(missing, ", ") : ReasonOf(contexts->after, record);
  Count(std::move(group), record);
  return absl::OkStatus();
}

void Replay::Count(ReplayGroup group, const LogRecord& record) {
  auto key = std::make_tuple(group.before, group.after, group.workload, group.source, group.why);
  const auto [entry, added] = groups_.emplace(std::move(key), std::move(group));
  if (added) entry->second.example = ExampleOf(record);
  ++entry->second.count;
}

std::vector<ReplayGroup> Replay::Groups() const {
  std::vector<ReplayGroup> groups;
  groups.reserve(groups_.size());
  for (const auto& [key, group] : groups_) groups.push_back(group);
  const auto unknown = [](const ReplayGroup& group) {
    return group.before == "unknown" || group.after == "unknown";
  };
  std::stable_sort(groups.begin(), groups.end(), [&](const ReplayGroup& a, const ReplayGroup& b) {
    return unknown(a) != unknown(b) ? unknown(b) : a.count > b.count;
  });
  return groups;
}

void AddReplayCommand(CLI::App& authz, CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      authz.add_subcommand("replay", "Say which logged requests other policies decide otherwise");
  command->footer(kFooter);
  command->add_option("--log", options->logs, "Access logs; - is the standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--policies", options->policies, "What is to be tried")
      ->required()
      ->type_name("FILE|DIR");
  command->add_option("--old", options->old_policies, "What to compare with")
      ->type_name("FILE|DIR");
  AddLabelOption(*command, options->labels);
  AddMeshOptions(*command, options->mesh);
  command->callback(
      [&line, options] { line.run = [options](Output output) { return Run(*options, output); }; });
}

}  // namespace kith::ctl
