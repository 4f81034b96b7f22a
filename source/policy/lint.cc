#include "source/policy/lint.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/policy/compile_rule.h"
#include "source/policy/lint_cover.h"
#include "source/policy/lint_rule.h"
#include "source/policy/peer_authentication.h"
#include "source/policy/validate.h"

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using Severity = Finding::Severity;
using Mtls = security::v1::PeerAuthenticationSpec::MutualTLS;

// Comparing each rule with each other one is for files that people write.
constexpr size_t kMostComparisons = 2'000'000;

class Linter {
 public:
  explicit Linter(const LintInput& input) : input_(input) {
    trust_domains_.push_back(absl::AsciiStrToLower(input.mesh.trust_domain));
    for (const std::string& alias : input.mesh.trust_domain_aliases) {
      trust_domains_.push_back(absl::AsciiStrToLower(alias));
    }
    own_trust_domains_ = trust_domains_;
    for (const std::string& domain : input.federated_trust_domains) {
      trust_domains_.push_back(absl::AsciiStrToLower(domain));
    }
  }

  std::vector<Finding> Run();

 private:
  struct Compiled {
    size_t index;
    RuleTable rule;
  };

  void Add(size_t index, Severity severity, absl::string_view code, std::string field,
           std::string what, std::string fix);
  // What Validate() and Warnings() say: "namespace/name: field: what".
  void AddTold(size_t index, Severity severity, absl::string_view code, absl::string_view told);
  bool CheckWhole(size_t index);
  void CheckSelection(size_t index);
  void CheckRules(size_t index);
  void CompareRules();
  RulePlace::Plaintext PlaintextOf(const AuthorizationPolicy& policy) const;
  bool IsRoot(const AuthorizationPolicy& policy) const {
    return NamespaceOf(policy.metadata()) == input_.mesh.root_namespace;
  }
  // Whether whoever is subject to `b` is subject to `a`.
  bool ReachesAllOf(const AuthorizationPolicy& a, const AuthorizationPolicy& b) const;
  std::string RuleName(const Compiled& rule) const {
    return absl::StrCat(PolicyName(input_.policies[rule.index]), " rules[", rule.rule.rule, "]");
  }

  const LintInput& input_;
  std::vector<std::string> own_trust_domains_, trust_domains_;
  std::map<std::string, size_t> first_;  // By name.
  std::vector<Compiled> allow_, deny_;
  std::vector<Finding> findings_;
};

void Linter::Add(size_t index, Severity severity, absl::string_view code, std::string field,
                 std::string what, std::string fix) {
  findings_.push_back({severity, std::string(code), index, PolicyName(input_.policies[index]),
                       std::move(field), std::move(what), std::move(fix)});
}

void Linter::AddTold(size_t index, Severity severity, absl::string_view code,
                     absl::string_view told) {
  const std::string name = absl::StrCat(PolicyName(input_.policies[index]), ": ");
  absl::ConsumePrefix(&told, name);
  const size_t colon = told.find(": ");
  const absl::string_view field = colon == absl::string_view::npos ? "" : told.substr(0, colon);
  if (!field.empty()) told.remove_prefix(colon + 2);
  Add(index, severity, code, std::string(field), std::string(told), "");
}

bool Linter::CheckWhole(size_t index) {
  const AuthorizationPolicy& policy = input_.policies[index];
  const absl::Status valid = Validate(policy, input_.mesh.root_namespace);
  if (!valid.ok()) {
    AddTold(index, Severity::kError, "invalid", valid.message());
    return false;
  }
  if (const auto [first, added] = first_.emplace(PolicyName(policy), index); !added) {
    Add(index, Severity::kError, "duplicate-name", "metadata.name",
        "another policy has the same name, and only one of them can hold", "rename one");
    return false;
  }
  for (const std::string& warning : Warnings(policy)) {
    const bool ports = absl::StrContains(warning, "TCP ports");
    AddTold(index, Severity::kWarning, ports ? "http-fields-without-ports" : "selects-everything",
            warning);
  }
  const AuthorizationPolicySpec::Action action = policy.spec().action();
  const bool dry = policy.metadata().annotations().contains("istio.io/dry-run");
  if (dry && action != AuthorizationPolicySpec::ALLOW && action != AuthorizationPolicySpec::DENY) {
    Add(index, Severity::kWarning, "dry-run-ignored", "metadata.annotations",
        "istio.io/dry-run means nothing for AUDIT and CUSTOM, which are in force", "remove it");
  }
  return true;
}

void Linter::CheckSelection(size_t index) {
  const AuthorizationPolicy& policy = input_.policies[index];
  if (policy.spec().has_target_ref() || policy.spec().target_refs_size() > 0) {
    Add(index, Severity::kWarning, "for-gateways", "spec.targetRefs",
        "is meant for gateways and waypoints, and no sidecar obeys it", "use a selector");
    return;
  }
  const absl::string_view name_space = NamespaceOf(policy.metadata());
  bool any_known = false;
  for (const KnownLabels& known : input_.workloads) {
    if (!IsRoot(policy) && known.name_space != name_space) continue;
    any_known = true;
    bool may = true;
    for (const auto& [key, value] : policy.spec().selector().match_labels()) {
      const auto found = known.labels.find(key);
      const bool missing = found == known.labels.end();
      if (missing ? known.extent == KnownLabels::Extent::kAll : found->second != value) may = false;
    }
    if (may) return;
  }
  if (input_.workloads.empty() || (any_known && !HasLabels(policy.spec().selector()))) return;
  Add(index, Severity::kWarning, "selects-nothing",
      any_known ? "spec.selector.matchLabels" : "metadata.namespace",
      any_known ? "no workload or service of the registry has these labels"
                : "the registry has no workload in this namespace",
      "compare with the labels of the workloads");
}

RulePlace::Plaintext Linter::PlaintextOf(const AuthorizationPolicy& policy) const {
  const Workload workload{input_.mesh.root_namespace, NamespaceOf(policy.metadata()),
                          policy.spec().selector().match_labels()};
  const auto mtls = ResolvePeerAuthentication(input_.peer_authentications, workload);
  const bool strict = mtls.ok() && mtls->mode == Mtls::STRICT && mtls->port_modes.empty();
  return strict ? RulePlace::Plaintext::kRefused : RulePlace::Plaintext::kAccepted;
}

void Linter::CheckRules(size_t index) {
  const AuthorizationPolicy& policy = input_.policies[index];
  const AuthorizationPolicySpec& spec = policy.spec();
  const bool allow = spec.action() == AuthorizationPolicySpec::ALLOW;
  const bool compared =
      (allow || spec.action() == AuthorizationPolicySpec::DENY) && !IsDryRun(policy);
  for (int i = 0; i < spec.rules_size(); ++i) {
    const std::string field = absl::StrCat("spec.rules[", i, "]");
    std::vector<RuleProblem> problems;
    LintRule(spec.rules(i),
             {spec.action(), field, trust_domains_, PlaintextOf(policy),
              IsRoot(policy) ? RulePlace::Namespace::kRoot : RulePlace::Namespace::kOwn},
             problems);
    for (RuleProblem& problem : problems) {
      Add(index, Severity::kWarning, problem.code, std::move(problem.field),
          std::move(problem.what), std::move(problem.fix));
    }
    RuleTable table;
    table.rule = i;
    const Effect effect = allow ? Effect::kAdmits : Effect::kRefuses;
    CompileRule(spec.rules(i), {own_trust_domains_, NamespaceOf(policy.metadata()), effect}, table);
    if (NeverMatches(table, effect)) {
      Add(index, Severity::kWarning, "never-matches", field,
          "no request can match: one of its lists excludes what another asks for",
          "remove the rule, or correct the lists");
      continue;
    }
    if (compared) (allow ? allow_ : deny_).push_back({index, std::move(table)});
  }
}

bool Linter::ReachesAllOf(const AuthorizationPolicy& a, const AuthorizationPolicy& b) const {
  const bool namespaces =
      IsRoot(a) || (!IsRoot(b) && NamespaceOf(a.metadata()) == NamespaceOf(b.metadata()));
  const auto gateways = [](const AuthorizationPolicy& policy) {
    return policy.spec().has_target_ref() || policy.spec().target_refs_size() > 0;
  };
  return namespaces && !gateways(a) && !gateways(b) &&
         SelectsLabels(a.spec().selector(), b.spec().selector().match_labels());
}

void Linter::CompareRules() {
  const size_t rules = allow_.size() + deny_.size();
  if (rules * rules > kMostComparisons) {
    Add(0, Severity::kWarning, "not-compared", "",
        absl::StrCat(rules, " rules are too many to look for shadowed ones"), "lint fewer at once");
    return;
  }
  const auto reaches = [&](const Compiled& a, const Compiled& b) {
    return ReachesAllOf(input_.policies[a.index], input_.policies[b.index]);
  };
  const auto compare = [&](const std::vector<Compiled>& list, Effect effect) {
    for (size_t b = 0; b < list.size(); ++b) {
      for (size_t a = 0; a < list.size(); ++a) {
        if (a == b || !reaches(list[a], list[b]) || !Covers(list[a].rule, list[b].rule, effect))
          continue;
        // Of two that match the same, the first stays.
        const bool mutual = reaches(list[b], list[a]) && Covers(list[b].rule, list[a].rule, effect);
        if (mutual && b < a) continue;
        Add(list[b].index, Severity::kWarning, "shadowed",
            absl::StrCat("spec.rules[", list[b].rule.rule, "]"),
            absl::StrCat(RuleName(list[a]), " matches whatever this rule does"),
            "remove the one that is not meant");
        break;
      }
    }
  };
  for (const Compiled& allowed : allow_) {
    for (const Compiled& denied : deny_) {
      if (!reaches(denied, allowed) || !Covers(denied.rule, allowed.rule, Effect::kRefuses))
        continue;
      Add(allowed.index, Severity::kWarning, "never-allows",
          absl::StrCat("spec.rules[", allowed.rule.rule, "]"),
          absl::StrCat("the DENY ", RuleName(denied), " refuses whatever this rule allows"),
          "remove the one that is not meant");
      break;
    }
  }
  compare(allow_, Effect::kAdmits);
  compare(deny_, Effect::kRefuses);
}

std::vector<Finding> Linter::Run() {
  for (size_t i = 0; i < input_.policies.size(); ++i) {
    if (!CheckWhole(i)) continue;
    CheckSelection(i);
    CheckRules(i);
  }
  if (!input_.policies.empty()) CompareRules();
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    return std::pair(a.index, a.severity) < std::pair(b.index, b.severity);
  });
  return std::move(findings_);
}

}  // namespace

absl::string_view NameOf(Finding::Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

std::vector<Finding> Lint(const LintInput& input) { return Linter(input).Run(); }

}  // namespace kith::policy
