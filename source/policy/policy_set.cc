#include "source/policy/policy_set.h"

#include <algorithm>
#include <utility>

#include "source/base/status.h"
#include "source/policy/compile.h"
#include "source/policy/tables.h"

namespace kith::policy {
namespace {

// How a path is compared in the lists where a missed match would let a request through: also as
// servers see it that drop parameters from it.
enum class PathReading : uint8_t { kPlain, kAlsoWithoutParameters };

bool AnyMatches(const std::vector<StringMatcher>& matchers, absl::string_view value) {
  return std::any_of(matchers.begin(), matchers.end(),
                     [&](const StringMatcher& matcher) { return matcher.Matches(value); });
}

bool AnyMatchesPath(const std::vector<StringMatcher>& matchers, absl::string_view path,
                    PathReading reading) {
  if (AnyMatches(matchers, path)) return true;
  return reading == PathReading::kAlsoWithoutParameters &&
         std::any_of(matchers.begin(), matchers.end(), [&](const StringMatcher& matcher) {
           return matcher.MatchesWithoutParameters(path);
         });
}

bool AnyGlobMatches(const std::vector<std::string>& globs, absl::string_view value) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return MatchesGlob(glob, value); });
}

bool Contains(const std::vector<uint16_t>& ports, uint16_t port) {
  return std::find(ports.begin(), ports.end(), port) != ports.end();
}

// What rules look at, made once for each decision. What is missing is empty.
struct Attributes {
  absl::string_view principal;
  absl::string_view name_space;
  uint16_t port;
  absl::string_view method;
  absl::string_view path;
};

Attributes AttributesOf(const Request& request) {
  Attributes attributes{};
  if (request.peer != nullptr) {
    attributes.principal = request.peer->principal();
    attributes.name_space = NamespaceOfPath(request.peer->path());
  }
  attributes.port = request.destination_port;
  if (request.kind == Request::Kind::kHttp) {
    attributes.method = request.method;
    if (request.has_path) attributes.path = request.path;
  }
  return attributes;
}

bool Matches(const SourceTable& source, const Attributes& is) {
  return (source.principals.empty() || AnyMatches(source.principals, is.principal)) &&
         !AnyMatches(source.not_principals, is.principal) &&
         (source.namespaces.empty() || AnyGlobMatches(source.namespaces, is.name_space)) &&
         !AnyGlobMatches(source.not_namespaces, is.name_space);
}

struct Readings {
  PathReading paths;
  PathReading not_paths;
};
constexpr Readings kDeny = {PathReading::kAlsoWithoutParameters, PathReading::kPlain};
constexpr Readings kAllow = {PathReading::kPlain, PathReading::kAlsoWithoutParameters};

bool Matches(const OperationTable& operation, const Attributes& is, Readings readings) {
  return (operation.ports.empty() || Contains(operation.ports, is.port)) &&
         !Contains(operation.not_ports, is.port) &&
         (operation.methods.empty() || AnyMatches(operation.methods, is.method)) &&
         !AnyMatches(operation.not_methods, is.method) &&
         (operation.paths.empty() || AnyMatchesPath(operation.paths, is.path, readings.paths)) &&
         !AnyMatchesPath(operation.not_paths, is.path, readings.not_paths);
}

// The first rule that matches; null when none does.
const RuleTable* FindMatch(const std::vector<RuleTable>& rules, const Attributes& is,
                           Readings readings) {
  for (const RuleTable& rule : rules) {
    const bool source_matches =
        rule.sources.empty() ||
        std::any_of(rule.sources.begin(), rule.sources.end(),
                    [&](const SourceTable& source) { return Matches(source, is); });
    if (!source_matches) continue;
    const bool operation_matches =
        rule.operations.empty() || std::any_of(rule.operations.begin(), rule.operations.end(),
                                               [&](const OperationTable& operation) {
                                                 return Matches(operation, is, readings);
                                               });
    if (operation_matches) return &rule;
  }
  return nullptr;
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

Decision PolicySet::Decide(const Request& request) const {
  const Attributes attributes = AttributesOf(request);
  if (const RuleTable* rule = FindMatch(tables_->deny.For(request.kind), attributes, kDeny)) {
    return {.allowed = false, .policy = tables_->policies[rule->policy], .rule = rule->rule};
  }
  if (const RuleTable* rule = FindMatch(tables_->allow.For(request.kind), attributes, kAllow)) {
    return {.allowed = true, .policy = tables_->policies[rule->policy], .rule = rule->rule};
  }
  return {.allowed = !tables_->default_deny, .policy = {}, .rule = -1};
}

const std::string& PolicySet::unmatched() const { return tables_->unmatched; }

bool PolicySet::reads_paths() const { return tables_->reads_paths; }

}  // namespace kith::policy
