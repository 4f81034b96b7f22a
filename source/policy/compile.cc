#include "source/policy/compile.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/status.h"
#include "source/policy/compile_rule.h"
#include "source/policy/select.h"
#include "source/policy/validate.h"

namespace kith::policy {
namespace {

constexpr absl::string_view kUnmatched = "no rule matched of the ALLOW policies ";

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;

Effect EffectOf(AuthorizationPolicySpec::Action action) {
  return action == AuthorizationPolicySpec::ALLOW ? Effect::kAdmits : Effect::kRefuses;
}

bool AskForHttp(const Conjunction& predicates) {
  return std::any_of(predicates.begin(), predicates.end(),
                     [](const Predicate& predicate) { return IsHttpOnly(predicate.attribute); });
}
bool AskForHttp(const std::vector<Conjunction>& clauses) {
  return std::any_of(clauses.begin(), clauses.end(),
                     [](const Conjunction& clause) { return AskForHttp(clause); });
}

void DropHttp(Conjunction& predicates) {
  predicates.erase(
      std::remove_if(predicates.begin(), predicates.end(),
                     [](const Predicate& predicate) { return IsHttpOnly(predicate.attribute); }),
      predicates.end());
}

// The rule as streams that are not HTTP see it. One that admits and asks for what they lack matches
// none of them; of one that refuses only what they have is left, and nothing left matches all.
void AddForTcp(const RuleTable& rule, Effect effect, std::vector<RuleTable>& rules) {
  const bool http = AskForHttp(rule.when) || AskForHttp(rule.from) || AskForHttp(rule.to);
  if (http && effect == Effect::kAdmits) return;
  RuleTable tcp = rule;
  if (http) {
    DropHttp(tcp.when);
    for (Conjunction& clause : tcp.from) DropHttp(clause);
    for (Conjunction& clause : tcp.to) DropHttp(clause);
  }
  rules.push_back(std::move(tcp));
}

template <typename Test>
bool AnyPredicate(const RuleTable& rule, Test test) {
  const auto any = [&](const Conjunction& clause) {
    return std::any_of(clause.begin(), clause.end(), test);
  };
  return any(rule.when) || std::any_of(rule.from.begin(), rule.from.end(), any) ||
         std::any_of(rule.to.begin(), rule.to.end(), any);
}

class Compiler {
 public:
  explicit Compiler(const PolicySet::Options& options) : tables_(std::make_unique<Tables>()) {
    trust_domains_.push_back(absl::AsciiStrToLower(options.trust_domain));
    for (const std::string& alias : options.trust_domain_aliases) {
      trust_domains_.push_back(absl::AsciiStrToLower(alias));
    }
  }

  void Add(const AuthorizationPolicy& policy) {
    const AuthorizationPolicySpec& spec = policy.spec();
    const Effect effect = EffectOf(spec.action());
    const bool dry = IsDryRun(policy);
    RuleList& list = ListFor(spec.action(), dry);
    tables_->policies.push_back({PolicyName(policy), spec.provider().name()});
    if (spec.action() == AuthorizationPolicySpec::ALLOW) AddAllow(dry);
    if (spec.action() == AuthorizationPolicySpec::CUSTOM) AddProvider(spec.provider().name());
    for (int i = 0; i < spec.rules_size(); ++i) {
      RuleTable rule;
      rule.policy = tables_->policies.size() - 1;
      rule.rule = i;
      CompileRule(spec.rules(i), {trust_domains_, NamespaceOf(policy.metadata()), effect}, rule);
      const auto reads = [&](Attribute attribute) {
        return AnyPredicate(rule, [&](const Predicate& p) { return p.attribute == attribute; });
      };
      tables_->reads_paths |= !dry && reads(Attribute::kPath);
      tables_->reads_headers |= reads(Attribute::kHeader);
      tables_->reads_certificates |=
          AnyPredicate(rule, [](const Predicate& p) { return IsOfCertificate(p.attribute); });
      AddForTcp(rule, effect, list.tcp);
      list.http.push_back(std::move(rule));
    }
  }

  std::unique_ptr<const Tables> Finish() {
    for (RuleList* list : {&tables_->custom, &tables_->audit, &tables_->deny, &tables_->dry_deny}) {
      Index(*list, Effect::kRefuses);
    }
    Index(tables_->allow, Effect::kAdmits);
    Index(tables_->dry_allow, Effect::kAdmits);
    return std::move(tables_);
  }

 private:
  RuleList& ListFor(AuthorizationPolicySpec::Action action, bool dry) {
    switch (action) {
      case AuthorizationPolicySpec::CUSTOM:
        return tables_->custom;
      case AuthorizationPolicySpec::AUDIT:
        return tables_->audit;
      case AuthorizationPolicySpec::DENY:
        return dry ? tables_->dry_deny : tables_->deny;
      default:
        return dry ? tables_->dry_allow : tables_->allow;
    }
  }

  void AddAllow(bool dry) {
    (dry ? tables_->dry_default_deny : tables_->default_deny) = true;
    if (dry) return;
    absl::StrAppend(&tables_->unmatched, tables_->unmatched.empty() ? kUnmatched : ", ",
                    tables_->policies.back().name);
  }

  void AddProvider(const std::string& name) {
    if (provider_.empty()) provider_ = name;
    tables_->several_providers |= provider_ != name;
  }

  static void Index(RuleList& list, Effect effect) {
    list.http_index = RuleIndex(list.http, effect);
    list.tcp_index = RuleIndex(list.tcp, effect);
  }

  std::vector<std::string> trust_domains_;
  std::string provider_;
  std::unique_ptr<Tables> tables_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Tables>> CompileTables(
    absl::Span<const AuthorizationPolicy> policies, const PolicySet::Options& options) {
  Compiler compiler(options);
  for (const AuthorizationPolicy& policy : policies) {
    KITH_RETURN_IF_ERROR(Validate(policy, options.root_namespace));
    const bool for_gateways =
        policy.spec().has_target_ref() || policy.spec().target_refs_size() > 0;
    if (!for_gateways) compiler.Add(policy);
  }
  return compiler.Finish();
}

}  // namespace kith::policy
