#include "source/policy/compile.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/status.h"
#include "source/policy/trust_domain.h"
#include "source/policy/validate.h"
#include "source/policy/validate_rule.h"

namespace kith::policy {
namespace {

constexpr absl::string_view kUnmatched = "no rule matched of the ALLOW policies ";

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using security::v1::Operation;
using security::v1::Rule;
using security::v1::Source;
using Values = google::protobuf::RepeatedPtrField<std::string>;

std::vector<StringMatcher> Matchers(const Values& values) { return {values.begin(), values.end()}; }

std::vector<uint16_t> Ports(const Values& values) {
  std::vector<uint16_t> ports;
  for (const std::string& value : values) ports.push_back(static_cast<uint16_t>(ParsePort(value)));
  return ports;
}

std::vector<StringMatcher> Principals(const Values& values,
                                      absl::Span<const std::string> trust_domains) {
  std::vector<StringMatcher> matchers;
  for (const std::string& value : values) {
    for (const std::string& pattern : ExpandPrincipal(value, trust_domains)) {
      matchers.emplace_back(pattern);
    }
  }
  return matchers;
}

SourceTable CompileSource(const Source& source, absl::Span<const std::string> trust_domains) {
  return {.principals = Principals(source.principals(), trust_domains),
          .not_principals = Principals(source.not_principals(), trust_domains),
          .namespaces = {source.namespaces().begin(), source.namespaces().end()},
          .not_namespaces = {source.not_namespaces().begin(), source.not_namespaces().end()}};
}

OperationTable CompileOperation(const Operation& operation) {
  return {.ports = Ports(operation.ports()),
          .not_ports = Ports(operation.not_ports()),
          .methods = Matchers(operation.methods()),
          .not_methods = Matchers(operation.not_methods()),
          .paths = Matchers(operation.paths()),
          .not_paths = Matchers(operation.not_paths())};
}

bool ReadsPaths(const OperationTable& operation) {
  return !operation.paths.empty() || !operation.not_paths.empty();
}

bool ReadsHttp(const OperationTable& operation) {
  return ReadsPaths(operation) || !operation.methods.empty() || !operation.not_methods.empty();
}

// The rule as streams that are not HTTP see it. An ALLOW that asks for what they lack matches none
// of them; of a DENY only what they have is left, and nothing left matches all.
void AddForTcp(const RuleTable& rule, AuthorizationPolicySpec::Action action,
               std::vector<RuleTable>& rules) {
  RuleTable tcp = rule;
  for (OperationTable& operation : tcp.operations) {
    if (!ReadsHttp(operation)) continue;
    if (action == AuthorizationPolicySpec::ALLOW) return;
    operation.methods.clear();
    operation.not_methods.clear();
    operation.paths.clear();
    operation.not_paths.clear();
  }
  rules.push_back(std::move(tcp));
}

void AddPolicy(const AuthorizationPolicy& policy, absl::Span<const std::string> trust_domains,
               Tables& tables) {
  const AuthorizationPolicySpec& spec = policy.spec();
  const bool allow = spec.action() == AuthorizationPolicySpec::ALLOW;
  RuleList& list = allow ? tables.allow : tables.deny;
  tables.default_deny |= allow;
  tables.policies.push_back(PolicyName(policy));
  if (allow) {
    absl::StrAppend(&tables.unmatched, tables.unmatched.empty() ? kUnmatched : ", ",
                    tables.policies.back());
  }
  for (int i = 0; i < spec.rules_size(); ++i) {
    RuleTable rule{
        .policy = tables.policies.size() - 1, .rule = i, .sources = {}, .operations = {}};
    for (const Rule::From& from : spec.rules(i).from()) {
      rule.sources.push_back(CompileSource(from.source(), trust_domains));
    }
    for (const Rule::To& to : spec.rules(i).to()) {
      rule.operations.push_back(CompileOperation(to.operation()));
      tables.reads_paths |= ReadsPaths(rule.operations.back());
    }
    AddForTcp(rule, spec.action(), list.tcp);
    list.http.push_back(std::move(rule));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Tables>> CompileTables(
    absl::Span<const AuthorizationPolicy> policies, const PolicySet::Options& options) {
  std::vector<std::string> trust_domains = {absl::AsciiStrToLower(options.trust_domain)};
  for (const std::string& alias : options.trust_domain_aliases) {
    trust_domains.push_back(absl::AsciiStrToLower(alias));
  }
  auto tables = std::make_unique<Tables>();
  for (const AuthorizationPolicy& policy : policies) {
    KITH_RETURN_IF_ERROR(Validate(policy, options.root_namespace));
    const bool for_gateways =
        policy.spec().has_target_ref() || policy.spec().target_refs_size() > 0;
    if (!for_gateways) AddPolicy(policy, trust_domains, *tables);
  }
  return tables;
}

}  // namespace kith::policy
