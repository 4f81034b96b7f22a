#include "source/ctl/authz_suggest.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/ctl/path_folding.h"
#include "source/http/path.h"
#include "source/telemetry/access_entry.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

constexpr size_t kMostRules = 512;  // Of a policy.
constexpr size_t kMostValues = 10;

constexpr char kFooter[] = R"(Examples:
  kithctl authz suggest --log access.log --label app=backend > backend.yaml
  kithctl authz suggest --log access.log --label demo/backend:app=backend --fold 5

Ids in paths, and places in a path with more than --fold values, become {*}. Try the result with
kithctl authz lint and kithctl authz replay before it is applied.
Exit codes: 0 done, 64 wrong usage, 65 bad input.)";

// Text in double quotes is the same in JSON and YAML.
std::string Quoted(absl::string_view text) {
  return json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace);
}

template <typename Texts>
std::string List(const Texts& texts) {
  return absl::StrCat("[",
                      absl::StrJoin(texts, ", ",
                                    [](std::string* out, const std::string& text) {
                                      absl::StrAppend(out, Quoted(text));
                                    }),
                      "]");
}

std::string Plural(size_t count, absl::string_view what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

}  // namespace

void Suggestion::Add(const LogRecord& record) {
  if (!record.inbound || record.decision.empty() || record.workload.empty()) return;
  Seen& seen = workloads_[record.workload];
  if (record.decision == "denied") {
    ++seen.denied;
    return;
  }
  ++requests_;
  ++seen.requests;
  if (seen.first.empty() || record.time < seen.first) seen.first = record.time;
  seen.last = std::max(seen.last, record.time);
  Caller caller;
  (record.source_principal.empty() ? caller.ip : caller.principal) = record.Source();
  std::string method = record.http ? (record.method.empty() ? "GET" : record.method) : "";
  std::string path = record.path;
  if (record.http) {
    const bool unsaid = path.empty() || http::FindAmbiguity(path) != http::PathAmbiguity::kNone;
    if (unsaid) ++seen.ambiguous;
    // The log has cut it: what comes after is anything.
    if (path.size() + 3 >= telemetry::kLongestAccessField) path += "*";
  }
  ++seen.calls[caller][{record.port, std::move(method)}][path];
}

std::vector<Suggestion::Rule> Suggestion::RulesOf(const Seen& seen) const {
  // What is folded for one caller is for all, so that their rules look alike.
  std::map<std::pair<uint16_t, std::string>, PathFolding> foldings;
  for (const auto& [caller, calls] : seen.calls) {
    for (const auto& [operation, paths] : calls) {
      PathFolding& folding = foldings.try_emplace(operation, most_values_).first->second;
      for (const auto& [path, count] : paths) folding.Add(path);
    }
  }
  for (auto& [operation, folding] : foldings) folding.Fold();

  // HTTP and TCP apart: a rule with methods matches no TCP stream.
  std::map<std::vector<Operation>, Rule> rules;
  for (const auto& call : seen.calls) {
    const Caller& caller = call.first;
    std::map<std::pair<uint16_t, std::set<std::string>>, Operation> http;
    std::vector<Operation> tcp;
    size_t http_requests = 0, tcp_requests = 0;
    for (const auto& [operation, paths] : call.second) {
      const auto& [port, method] = operation;
      size_t count = 0;
      std::set<std::string> patterns;
      for (const auto& [path, times] : paths) {
        count += times;
        if (seen.ambiguous == 0) patterns.insert(foldings.at(operation).Pattern(path));
      }
      if (method.empty()) {
        tcp_requests += count;
        tcp.push_back({port, {}, {}});
        continue;
      }
      http_requests += count;
      Operation& merged = http[{port, patterns}];
      merged.port = port;
      merged.methods.insert(method);
      merged.paths = std::move(patterns);
    }
    const auto add = [&](std::vector<Operation> operations, size_t requests) {
      if (operations.empty()) return;
      Rule& rule = rules[operations];
      rule.operations = std::move(operations);
      rule.callers.push_back(caller);
      rule.requests += requests;
    };
    std::vector<Operation> operations;
    operations.reserve(http.size());
    for (const auto& [key, operation] : http) operations.push_back(operation);
    add(std::move(operations), http_requests);
    add(std::move(tcp), tcp_requests);
  }
  std::vector<Rule> list;
  list.reserve(rules.size());
  for (auto& [operations, rule] : rules) list.push_back(std::move(rule));
  std::stable_sort(list.begin(), list.end(),
                   [](const Rule& a, const Rule& b) { return a.requests > b.requests; });
  return list;
}

void Suggestion::Append(const Rule& rule, std::string& yaml) {
  std::vector<std::string> principals, addresses;
  for (const Caller& caller : rule.callers) {
    if (caller.principal.empty()) {
      addresses.push_back(caller.ip);
    } else {
      principals.push_back(caller.principal);
    }
  }
  const bool http = !rule.operations.front().methods.empty();
  absl::StrAppend(&yaml, "  # ", Plural(rule.requests, http ? "request" : "connection"),
                  "\n  - from:\n");
  if (!principals.empty()) {
    absl::StrAppend(&yaml, "    - source: {principals: ", List(principals), "}\n");
  }
  if (!addresses.empty()) {
    absl::StrAppend(
        &yaml,
        "    # Plaintext: an address is no identity. Bring these clients into the mesh.\n"
        "    - source: {ipBlocks: ",
        List(addresses), "}\n");
  }
  std::string to;
  for (const Operation& operation : rule.operations) {
    std::vector<std::string> fields;
    if (!operation.methods.empty()) {
      fields.push_back(absl::StrCat("methods: ", List(operation.methods)));
    }
    if (!operation.paths.empty()) fields.push_back(absl::StrCat("paths: ", List(operation.paths)));
    if (operation.port != 0) fields.push_back(absl::StrCat("ports: [\"", operation.port, "\"]"));
    // Nothing to go by: a TCP stream of a log without ports.
    if (fields.empty()) return;
    absl::StrAppend(&to, "    - operation: {", absl::StrJoin(fields, ", "), "}\n");
  }
  absl::StrAppend(&yaml, "    to:\n", to);
}

void Suggestion::Append(const std::string& workload, const Seen& seen, const WorkloadSpec& spec,
                        std::string& yaml) const {
  const std::vector<Rule> rules = RulesOf(seen);
  const std::string name = workload.substr(workload.find('/') + 1);
  for (size_t begin = 0; begin < rules.size(); begin += kMostRules) {
    absl::StrAppend(&yaml, "---\n# What ", workload,
                    " was asked and allowed: ", Plural(seen.requests, "request"), " of ",
                    Plural(seen.calls.size(), "caller"), ", ", seen.first, " to ", seen.last,
                    ".\n");
    if (seen.denied > 0) {
      absl::StrAppend(&yaml, "# ", Plural(seen.denied, "denied request"), " left out.\n");
    }
    if (seen.ambiguous > 0) {
      absl::StrAppend(&yaml, "# Without paths: ", Plural(seen.ambiguous, "request"),
                      " had spellings that are refused where a policy reads paths.\n");
    }
    absl::StrAppend(
        &yaml, "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n",
        "  name: ",
        Quoted(absl::StrCat(name, "-observed",
                            begin == 0 ? "" : absl::StrCat("-", begin / kMostRules + 1))),
        "\n  namespace: ", Quoted(spec.name_space),
        "\nspec:\n  action: ALLOW\n  selector:\n    matchLabels:\n");
    const std::map<std::string, std::string> labels(spec.labels.begin(), spec.labels.end());
    for (const auto& [key, value] : labels) {
      absl::StrAppend(&yaml, "      ", Quoted(key), ": ", Quoted(value), "\n");
    }
    absl::StrAppend(&yaml, "  rules:\n");
    for (size_t i = begin; i < std::min(begin + kMostRules, rules.size()); ++i) {
      Append(rules[i], yaml);
    }
  }
}

absl::StatusOr<std::string> Suggestion::Yaml(const WorkloadLabels& labels) const {
  std::string yaml =
      absl::StrCat("# Suggested by kithctl authz suggest. Ids in paths, and places with more than ",
                   most_values_, " values, are {*}.\n");
  for (const auto& [workload, seen] : workloads_) {
    if (seen.requests == 0) continue;
    KITH_ASSIGN_OR_RETURN(const WorkloadSpec spec,
                          labels.Of(workload, WorkloadLabels::Labels::kNeeded));
    Append(workload, seen, spec, yaml);
  }
  return yaml;
}

void AddSuggestCommand(CLI::App& authz, CommandLine& line) {
  struct Options {
    std::vector<std::string> logs, labels;
    size_t fold = kMostValues;
  };
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      authz.add_subcommand("suggest", "Write policies that allow what was seen, and little else");
  command->footer(kFooter);
  command->add_option("--log", options->logs, "Access logs; - is the standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--fold", options->fold, "Values at one place of a path before they are {*}")
      ->capture_default_str();
  AddLabelOption(*command, options->labels);
  command->callback([&line, options] {
    line.run = [options](Output output) -> absl::StatusOr<int> {
      KITH_ASSIGN_OR_RETURN(const WorkloadLabels labels, WorkloadLabels::Parse(options->labels));
      Suggestion suggestion(options->fold);
      KITH_ASSIGN_OR_RETURN(
          const LogCounts counts,
          ReadLogs(options->logs, [&](const LogRecord& record) { suggestion.Add(record); }));
      if (counts.unreadable > 0) {
        std::cerr << "kithctl: " << counts.unreadable
                  << " lines are not of an access log, the first is " << counts.first_error << "\n";
      }
      if (suggestion.requests() == 0) {
        return absl::InvalidArgumentError("the logs tell of no inbound request that was allowed");
      }
      KITH_ASSIGN_OR_RETURN(const std::string yaml, suggestion.Yaml(labels));
      if (output == Output::kJson) {
        std::cout << json({{"requests", suggestion.requests()}, {"yaml", yaml}}).dump(2) << "\n";
      } else {
        std::cout << yaml;
      }
      return EXIT_SUCCESS;
    };
  });
}

}  // namespace kith::ctl
