#include "source/ctl/authz_lint.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kith/networking/v1/service.pb.h"
#include "kith/networking/v1/workload_entry.pb.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/config/yaml.h"
#include "source/ctl/authz_options.h"
#include "source/policy/peer_authentication.h"

namespace kith::ctl {
namespace {

using config::Document;
using nlohmann::json;
using policy::Finding;
using Severity = Finding::Severity;

constexpr char kFooter[] = R"(Examples:
  kithctl authz lint -f policies/                 errors and warnings
  kithctl authz lint -f registry/ --strict        the whole registry: also who is selected
  kithctl authz lint -f policy.yaml -o json       for programs

Services and WorkloadEntries among the files tell which labels workloads have. PeerAuthentications
tell whether plaintext is accepted.
Exit codes: 0 no errors (with --strict: nor warnings), 1 findings, 64 wrong usage, 65 unreadable.
docs/authorization-tools.md lists the findings.)";

// What the linter is told, and where each policy stands.
struct Collected {
  std::vector<security::v1::AuthorizationPolicy> policies;
  std::vector<const Document*> places;  // Of policies.
  std::vector<security::v1::PeerAuthentication> peers;
  std::vector<policy::KnownLabels> workloads;
  std::vector<PlacedFinding> unreadable;
};

// "file:12: spec.x: what" as a finding.
PlacedFinding Unreadable(const Document& document, const absl::Status& status) {
  PlacedFinding placed;
  placed.file = document.file;
  placed.line = document.line;
  placed.finding.severity = Severity::kError;
  placed.finding.code = "invalid";
  absl::string_view message = status.message();
  if (absl::ConsumePrefix(&message, absl::StrCat(document.file, ":"))) {
    const size_t colon = message.find(": ");
    int line;
    if (colon != absl::string_view::npos && absl::SimpleAtoi(message.substr(0, colon), &line)) {
      placed.line = line;
      message.remove_prefix(colon + 2);
    }
  }
  placed.finding.what = std::string(message);
  return placed;
}

void AddLabels(const meta::v1::ObjectMeta& metadata, const policy::Labels& labels,
               policy::KnownLabels::Extent extent, Collected& out) {
  out.workloads.push_back({std::string(policy::NamespaceOf(metadata)), labels, extent});
}

absl::Status Collect(const Document& document, Collected& out) {
  const bool security = absl::StartsWith(document.api_version, "security.istio.io/");
  if (security && document.kind == "AuthorizationPolicy") {
    security::v1::AuthorizationPolicy policy;
    KITH_RETURN_IF_ERROR(config::Decode(document, policy));
    out.policies.push_back(std::move(policy));
    out.places.push_back(&document);
  } else if (security && document.kind == "PeerAuthentication") {
    security::v1::PeerAuthentication policy;
    KITH_RETURN_IF_ERROR(config::Decode(document, policy));
    KITH_RETURN_IF_ERROR(policy::Validate(policy));
    out.peers.push_back(std::move(policy));
  } else if (document.kind == "Service" && document.api_version == "v1") {
    networking::v1::Service service;
    KITH_RETURN_IF_ERROR(config::Decode(document, service));
    AddLabels(service.metadata(), service.spec().selector(), policy::KnownLabels::Extent::kSome,
              out);
  } else if (document.kind == "WorkloadEntry") {
    networking::v1::WorkloadEntry entry;
    KITH_RETURN_IF_ERROR(config::Decode(document, entry));
    AddLabels(entry.metadata(), entry.spec().labels(), policy::KnownLabels::Extent::kAll, out);
  }
  return absl::OkStatus();
}

json JsonOf(const PlacedFinding& placed) {
  const Finding& finding = placed.finding;
  json out = {{"severity", std::string(policy::NameOf(finding.severity))},
              {"code", finding.code},
              {"file", placed.file},
              {"line", placed.line},
              {"what", finding.what}};
  if (!finding.policy.empty()) out["policy"] = finding.policy;
  if (!finding.field.empty()) out["field"] = finding.field;
  if (!finding.fix.empty()) out["fix"] = finding.fix;
  return out;
}

std::string TextOfFinding(const PlacedFinding& placed) {
  const Finding& finding = placed.finding;
  std::string text = absl::StrCat(placed.file, ":", placed.line, ": ",
                                  policy::NameOf(finding.severity), " ", finding.code, ": ");
  if (!finding.policy.empty()) absl::StrAppend(&text, finding.policy, ": ");
  if (!finding.field.empty()) absl::StrAppend(&text, finding.field, ": ");
  absl::StrAppend(&text, finding.what);
  if (!finding.fix.empty()) absl::StrAppend(&text, "; ", finding.fix);
  return text;
}

struct Options {
  std::vector<std::string> files, federated;
  MeshOptions mesh;
  bool strict = false;
};

absl::StatusOr<int> Run(const Options& options, Output output) {
  KITH_ASSIGN_OR_RETURN(const std::vector<Document> documents, ReadDocuments(options.files));
  AuthzContext context(AuthzContext::Others::kPassedOver);
  KITH_RETURN_IF_ERROR(Apply(options.mesh, context));
  const std::vector<PlacedFinding> findings =
      LintDocuments(documents, {context.options(), options.federated});
  const auto errors = std::count_if(findings.begin(), findings.end(), [](const auto& placed) {
    return placed.finding.severity == Severity::kError;
  });
  const auto warnings = static_cast<ptrdiff_t>(findings.size()) - errors;
  if (output == Output::kJson) {
    json list = json::array();
    for (const PlacedFinding& placed : findings) list.push_back(JsonOf(placed));
    const json all = {{"findings", std::move(list)}, {"errors", errors}, {"warnings", warnings}};
    std::cout << all.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    for (const PlacedFinding& placed : findings) std::cout << TextOfFinding(placed) << "\n";
    std::cout << errors << " errors, " << warnings << " warnings\n";
  }
  return errors > 0 || (options.strict && warnings > 0) ? kNo : EXIT_SUCCESS;
}

}  // namespace

int LineOf(const Document& document, absl::string_view field) {
  const config::Node* node = document.root;
  int line = document.line;
  for (absl::string_view step : absl::StrSplit(field, '.')) {
    const size_t bracket = step.find('[');
    const absl::string_view name = step.substr(0, bracket);
    const auto member =
        std::find_if(node->members.begin(), node->members.end(),
                     [&](const config::Node::Member& each) { return each.key == name; });
    if (member == node->members.end()) return line;
    line = member->line;
    node = member->value;
    size_t index;
    if (bracket == absl::string_view::npos ||
        !absl::SimpleAtoi(absl::StripSuffix(step.substr(bracket + 1), "]"), &index)) {
      continue;
    }
    if (index >= node->items.size()) return line;
    node = node->items[index];
    line = node->line;
  }
  return line;
}

std::vector<PlacedFinding> LintDocuments(const std::vector<Document>& documents,
                                         const LintSettings& settings) {
  Collected collected;
  for (const Document& document : documents) {
    const absl::Status read = Collect(document, collected);
    if (!read.ok()) collected.unreadable.push_back(Unreadable(document, read));
  }
  policy::LintInput input;
  input.policies = collected.policies;
  input.peer_authentications = collected.peers;
  input.mesh = settings.mesh;
  input.federated_trust_domains = settings.federated;
  input.workloads = std::move(collected.workloads);
  std::vector<PlacedFinding> findings = std::move(collected.unreadable);
  for (Finding& finding : policy::Lint(input)) {
    const Document& document = *collected.places[finding.index];
    const int line = LineOf(document, finding.field);
    findings.push_back({std::move(finding), document.file, line});
  }
  return findings;
}

void AddLintCommand(CLI::App& authz, CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      authz.add_subcommand("lint", "Find errors in policies, and what is probably not meant");
  command->footer(kFooter);
  command->add_option("-f,--file", options->files, "Files or folders")
      ->required()
      ->type_name("FILE|DIR");
  command->add_flag("--strict", options->strict, "Warnings fail too");
  command->add_option("--federated", options->federated,
                      "A further trust domain that callers may have");
  AddMeshOptions(*command, options->mesh);
  command->callback(
      [&line, options] { line.run = [options](Output output) { return Run(*options, output); }; });
}

}  // namespace kith::ctl
