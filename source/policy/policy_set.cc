#include "source/policy/policy_set.h"

#include <utility>

#include "source/base/status.h"
#include "source/policy/compile.h"
#include "source/policy/explain.h"
#include "source/policy/partial.h"
#include "source/policy/tables.h"

namespace kith::policy {
namespace {

Decision Decided(const Tables& tables, const RuleMatch& match, Effect effect) {
  Decision decision;
  decision.allowed = effect == Effect::kAdmits;
  decision.policy = tables.policies[match.rule->policy].name;
  decision.rule = match.rule->rule;
  decision.from = match.from;
  decision.to = match.to;
  return decision;
}

// What a DENY list and an ALLOW list say together.
Decision DecideBy(const Tables& tables, const RuleList& deny, const RuleList& allow,
                  bool default_deny, Request::Kind kind, Attributes& attributes) {
  RuleMatch match = deny.IndexFor(kind).Find(attributes);
  if (match.rule != nullptr) return Decided(tables, match, Effect::kRefuses);
  match = allow.IndexFor(kind).Find(attributes);
  if (match.rule != nullptr) return Decided(tables, match, Effect::kAdmits);
  Decision decision;
  decision.allowed = !default_deny;
  return decision;
}

}  // namespace

PolicySet::PolicySet(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
PolicySet::~PolicySet() = default;

absl::StatusOr<std::shared_ptr<const PolicySet>> PolicySet::Compile(
    absl::Span<const security::v1::AuthorizationPolicy> policies, const Options& options) {
  KITH_ASSIGN_OR_RETURN(auto tables, CompileTables(policies, options));
  return std::shared_ptr<const PolicySet>(new PolicySet(std::move(tables)));
}

std::shared_ptr<const PolicySet> PolicySet::AllowAll() {
  return std::shared_ptr<const PolicySet>(new PolicySet(std::make_unique<Tables>()));
}

std::shared_ptr<const PolicySet> PolicySet::DenyAll() {
  auto tables = std::make_unique<Tables>();
  tables->default_deny = true;
  tables->unmatched = "the control plane has sent no policies yet";
  return std::shared_ptr<const PolicySet>(new PolicySet(std::move(tables)));
}

absl::optional<CustomMatch> PolicySet::MatchCustom(const Request& request) const {
  if (tables_->custom.empty()) return absl::nullopt;
  Attributes attributes(request);
  const RuleMatch match = tables_->custom.IndexFor(request.kind).Find(attributes);
  if (match.rule == nullptr) return absl::nullopt;
  const PolicyEntry& policy = tables_->policies[match.rule->policy];
  CustomMatch custom;
  if (!tables_->several_providers) custom.provider = policy.provider;
  custom.policy = policy.name;
  custom.rule = match.rule->rule;
  custom.from = match.from;
  custom.to = match.to;
  return custom;
}

Decision PolicySet::Decide(const Request& request) const {
  Attributes attributes(request);
  Decision decision = DecideBy(*tables_, tables_->deny, tables_->allow, tables_->default_deny,
                               request.kind, attributes);
  if (!tables_->audit.empty()) {
    const RuleMatch match = tables_->audit.IndexFor(request.kind).Find(attributes);
    decision.audit = match.rule != nullptr;
    if (decision.audit) decision.audit_policy = tables_->policies[match.rule->policy].name;
  }
  return decision;
}

bool PolicySet::asks() const { return !tables_->custom.empty(); }

bool PolicySet::has_dry_run() const {
  return !tables_->dry_deny.empty() || tables_->dry_default_deny;
}

Decision PolicySet::DecideDryRun(const Request& request) const {
  Attributes attributes(request);
  return DecideBy(*tables_, tables_->dry_deny, tables_->dry_allow, tables_->dry_default_deny,
                  request.kind, attributes);
}

Explanation PolicySet::Explain(const Request& request) const {
  return policy::Explain(*this, *tables_, request);
}

PartialDecision PolicySet::DecidePartly(const Request& request, const Unknown& unknown) const {
  return policy::DecidePartly(*tables_, request, unknown);
}

const std::string& PolicySet::unmatched() const { return tables_->unmatched; }
bool PolicySet::reads_paths() const { return tables_->reads_paths; }
bool PolicySet::reads_headers() const { return tables_->reads_headers; }
bool PolicySet::reads_certificates() const { return tables_->reads_certificates; }

}  // namespace kith::policy
