#include "source/policy/lint_rule.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/policy/condition_key.h"
#include "source/policy/lint_value.h"

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicySpec;
using security::v1::Condition;
using security::v1::Operation;
using security::v1::Rule;
using security::v1::Source;
using List = google::protobuf::RepeatedPtrField<std::string>;

class RuleLinter {
 public:
  RuleLinter(const RulePlace& place, std::vector<RuleProblem>& out) : place_(place), out_(out) {}

  void Check(const Rule& rule);

 private:
  void CheckSource(const Source& from, const std::string& at);
  void CheckOperation(const Operation& to, const std::string& at);
  void CheckCondition(const Condition& condition, const std::string& at);
  void CheckList(Attribute attribute, const List& values, const std::string& field);
  void CheckHosts(const List& hosts, const std::string& field);
  void Add(absl::string_view code, std::string field, std::string what, std::string fix) {
    out_.push_back({std::string(code), std::move(field), std::move(what), std::move(fix)});
  }
  bool admits() const { return place_.action == AuthorizationPolicySpec::ALLOW; }
  bool denies() const { return place_.action == AuthorizationPolicySpec::DENY; }

  const RulePlace& place_;
  std::vector<RuleProblem>& out_;
};

void RuleLinter::CheckList(Attribute attribute, const List& values, const std::string& field) {
  for (int i = 0; i < values.size(); ++i) {
    ValueProblem problem = CheckMeaning(attribute, values[i], place_.trust_domains);
    if (problem.code.empty()) continue;
    Add(problem.code, absl::StrCat(field, "[", i, "]"), std::move(problem.what),
        std::move(problem.fix));
  }
}

void RuleLinter::CheckSource(const Source& from, const std::string& at) {
  CheckList(Attribute::kPrincipal, from.principals(), absl::StrCat(at, ".principals"));
  CheckList(Attribute::kPrincipal, from.not_principals(), absl::StrCat(at, ".notPrincipals"));
  CheckList(Attribute::kTrustDomain, from.trust_domains(), absl::StrCat(at, ".trustDomains"));
  CheckList(Attribute::kTrustDomain, from.not_trust_domains(),
            absl::StrCat(at, ".notTrustDomains"));
  CheckList(Attribute::kRequestPrincipal, from.request_principals(),
            absl::StrCat(at, ".requestPrincipals"));
  CheckList(Attribute::kRequestPrincipal, from.not_request_principals(),
            absl::StrCat(at, ".notRequestPrincipals"));
  CheckList(Attribute::kRemoteIp, from.remote_ip_blocks(), absl::StrCat(at, ".remoteIpBlocks"));
  CheckList(Attribute::kRemoteIp, from.not_remote_ip_blocks(),
            absl::StrCat(at, ".notRemoteIpBlocks"));

  const int identities = from.principals_size() + from.namespaces_size() +
                         from.service_accounts_size() + from.trust_domains_size();
  const int not_identities = from.not_principals_size() + from.not_namespaces_size() +
                             from.not_service_accounts_size() + from.not_trust_domains_size();
  const int others = from.request_principals_size() + from.ip_blocks_size();
  const bool plaintext = place_.plaintext == RulePlace::Plaintext::kAccepted;
  if (admits() && identities == 0 && others == 0 && not_identities > 0) {
    Add("allows-plaintext", at,
        "allows whoever it does not name, peers without any identity among them",
        "add a positive field, such as principals: [\"*\"]");
  } else if (admits() && identities == 0 && from.ip_blocks_size() > 0 &&
             from.request_principals_size() == 0) {
    Add("allows-by-address", at, "an address is no identity: whoever sends from it is allowed",
        "add principals or namespaces");
  }
  if (denies() && identities > 0 && plaintext) {
    Add("plaintext-evades", at,
        "a caller that connects in plaintext has no identity and is not denied",
        "make the workload STRICT with a PeerAuthentication, or deny notPrincipals");
  }
  if (place_.name_space == RulePlace::Namespace::kRoot) {
    for (const List* accounts : {&from.service_accounts(), &from.not_service_accounts()}) {
      for (const std::string& account : *accounts) {
        if (absl::StrContains(account, '/')) continue;
        Add("root-service-account", at,
            absl::StrCat("\"", account, "\" means an account of the root namespace itself"),
            "write \"<namespace>/<service account>\"");
      }
    }
  }
}

// Whoever calls a sidecar writes the host as he likes; and the port is a part of it.
void RuleLinter::CheckHosts(const List& hosts, const std::string& field) {
  if (hosts.empty()) return;
  Add("host-is-forgeable", field,
      "a sidecar's caller writes any host it likes, and reaches this workload all the same",
      "decide by paths, methods or ports");
  if (!admits()) return;
  for (int i = 0; i < hosts.size(); ++i) {
    if (absl::StrContains(hosts[i], ':') || absl::EndsWith(hosts[i], "*")) continue;
    const std::string with_port = absl::StrCat(hosts[i], ":*");
    if (std::find(hosts.begin(), hosts.end(), with_port) != hosts.end()) continue;
    Add("host-without-port", absl::StrCat(field, "[", i, "]"),
        absl::StrCat("\"", hosts[i], "\" does not match \"", hosts[i], ":8080\""),
        absl::StrCat("add \"", with_port, "\""));
  }
}

void RuleLinter::CheckOperation(const Operation& to, const std::string& at) {
  CheckList(Attribute::kMethod, to.methods(), absl::StrCat(at, ".methods"));
  CheckList(Attribute::kMethod, to.not_methods(), absl::StrCat(at, ".notMethods"));
  CheckList(Attribute::kPath, to.paths(), absl::StrCat(at, ".paths"));
  CheckList(Attribute::kPath, to.not_paths(), absl::StrCat(at, ".notPaths"));
  CheckHosts(to.hosts(), absl::StrCat(at, ".hosts"));
  if (admits() && to.paths().empty() && !to.not_paths().empty()) {
    Add("allows-by-exclusion", absl::StrCat(at, ".notPaths"),
        "every path that the list forgets, or spells otherwise, is allowed",
        "name the allowed paths, or deny these in a DENY policy");
  }
}

void RuleLinter::CheckCondition(const Condition& condition, const std::string& at) {
  const auto key = ParseConditionKey(condition.key());
  if (!key.ok()) return;
  CheckList(key->attribute, condition.values(), absl::StrCat(at, ".values"));
  CheckList(key->attribute, condition.not_values(), absl::StrCat(at, ".notValues"));
}

void RuleLinter::Check(const Rule& rule) {
  for (int i = 0; i < rule.from_size(); ++i) {
    CheckSource(rule.from(i).source(), absl::StrCat(place_.field, ".from[", i, "].source"));
  }
  for (int i = 0; i < rule.to_size(); ++i) {
    CheckOperation(rule.to(i).operation(), absl::StrCat(place_.field, ".to[", i, "].operation"));
  }
  for (int i = 0; i < rule.when_size(); ++i) {
    CheckCondition(rule.when(i), absl::StrCat(place_.field, ".when[", i, "]"));
  }
  if (admits() && rule.from().empty() && rule.to().empty() && rule.when().empty()) {
    Add("allows-everything", place_.field, "allows every request of everybody",
        "name sources, or operations, or both");
  }
}

}  // namespace

void LintRule(const Rule& rule, const RulePlace& place, std::vector<RuleProblem>& out) {
  RuleLinter(place, out).Check(rule);
}

}  // namespace kith::policy
