#include "source/policy/validate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/status.h"
#include "source/policy/condition_key.h"
#include "source/policy/select.h"
#include "source/policy/validate_rule.h"

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using security::v1::Operation;
using security::v1::PolicyTargetReference;

constexpr int kMaxRules = 512;
constexpr int kMaxTargets = 16;
constexpr char kDryRun[] = "istio.io/dry-run";

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckTarget(const PolicyTargetReference& target, bool in_root) {
  struct {
    absl::string_view group;
    absl::string_view kind;
    bool allowed;
  } const kinds[] = {
      {"gateway.networking.k8s.io", "Gateway", true},
      {"gateway.networking.k8s.io", "GatewayClass", in_root},
      {"", "Service", true},
      {"core", "Service", true},
      {"networking.istio.io", "ServiceEntry", true},
  };
  if (target.name().empty()) return absl::InvalidArgumentError("needs a name");
  if (!target.namespace_().empty()) {
    return absl::InvalidArgumentError("must not name a namespace; it is always the policy's own");
  }
  for (const auto& kind : kinds) {
    if (kind.allowed && kind.group == target.group() && kind.kind == target.kind()) {
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown target ", target.group(), "/", target.kind(),
      "; known: Gateway, Service, ServiceEntry, and GatewayClass in the root namespace"));
}

absl::Status CheckTargets(const AuthorizationPolicySpec& spec, bool in_root) {
  if (spec.has_target_ref() && spec.target_refs_size() > 0) {
    return Invalid("spec.targetRef", "cannot stand beside targetRefs; keep targetRefs");
  }
  if (spec.has_selector() && (spec.has_target_ref() || spec.target_refs_size() > 0)) {
    return Invalid("spec.selector", "cannot stand beside targetRefs; keep one of them");
  }
  if (spec.target_refs_size() > kMaxTargets) {
    return Invalid("spec.targetRefs",
                   absl::StrCat("more than ", kMaxTargets, "; split the policy"));
  }
  if (spec.has_target_ref()) {
    KITH_RETURN_IF_ERROR(base::Annotate(CheckTarget(spec.target_ref(), in_root), "spec.targetRef"));
  }
  for (int i = 0; i < spec.target_refs_size(); ++i) {
    KITH_RETURN_IF_ERROR(base::Annotate(CheckTarget(spec.target_refs(i), in_root),
                                        absl::StrCat("spec.targetRefs[", i, "]")));
  }
  return absl::OkStatus();
}

absl::Status CheckAction(const AuthorizationPolicySpec& spec) {
  if (spec.has_provider() && spec.action() != AuthorizationPolicySpec::CUSTOM) {
    return Invalid("spec.provider", "belongs to the action CUSTOM only; remove it");
  }
  switch (spec.action()) {
    case AuthorizationPolicySpec::ALLOW:
    case AuthorizationPolicySpec::AUDIT:
      return absl::OkStatus();
    case AuthorizationPolicySpec::DENY:
      if (!spec.rules().empty()) return absl::OkStatus();
      return Invalid("spec.rules", "a DENY without rules denies nothing; write [{}] to deny all");
    case AuthorizationPolicySpec::CUSTOM:
      if (spec.provider().name().empty()) {
        return Invalid("spec.provider.name", "CUSTOM needs the name of an extension provider");
      }
      if (!spec.rules().empty()) return absl::OkStatus();
      return Invalid("spec.rules", "a CUSTOM without rules asks nobody; write [{}] to ask always");
    default:
      return Invalid("spec.action", absl::StrCat("unknown value ", spec.action()));
  }
}

// What Go's strconv.ParseBool reads, as the annotation's users know it. Nothing: neither.
absl::optional<bool> ParseGoBool(absl::string_view value) {
  for (absl::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (value == no) return false;
  }
  for (absl::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (value == yes) return true;
  }
  return absl::nullopt;
}

absl::Status CheckDryRun(const AuthorizationPolicy& policy) {
  const auto& annotations = policy.metadata().annotations();
  const auto found = annotations.find(kDryRun);
  if (found == annotations.end() || ParseGoBool(found->second)) return absl::OkStatus();
  return Invalid(absl::StrCat("metadata.annotations[\"", kDryRun, "\"]"),
                 "must be \"true\" or \"false\"");
}

absl::Status CheckPolicy(const AuthorizationPolicy& policy, absl::string_view root_namespace) {
  const AuthorizationPolicySpec& spec = policy.spec();
  KITH_RETURN_IF_ERROR(ValidateScope(policy.metadata(), spec.selector()));
  KITH_RETURN_IF_ERROR(CheckTargets(spec, NamespaceOf(policy.metadata()) == root_namespace));
  if (spec.rules_size() > kMaxRules) {
    return Invalid("spec.rules", absl::StrCat("more than ", kMaxRules, " rules; split the policy"));
  }
  KITH_RETURN_IF_ERROR(CheckAction(spec));
  KITH_RETURN_IF_ERROR(CheckDryRun(policy));
  for (int i = 0; i < spec.rules_size(); ++i) {
    const std::string field = absl::StrCat("spec.rules[", i, "]");
    KITH_RETURN_IF_ERROR(ValidateRule(spec.rules(i), spec.action(), field));
  }
  return absl::OkStatus();
}

bool IsHttp(const Operation& to) {
  return to.methods_size() + to.not_methods_size() + to.paths_size() + to.not_paths_size() +
             to.hosts_size() + to.not_hosts_size() >
         0;
}

bool NamesPorts(const google::protobuf::RepeatedPtrField<security::v1::Condition>& when) {
  return std::any_of(when.begin(), when.end(), [](const security::v1::Condition& condition) {
    return condition.key() == "destination.port" && !condition.values().empty();
  });
}

// Whatever of the rule matches, its port does.
bool NamesPorts(const security::v1::Rule& rule) {
  if (NamesPorts(rule.when())) return true;
  return !rule.to().empty() &&
         std::all_of(rule.to().begin(), rule.to().end(), [](const security::v1::Rule::To& to) {
           return !to.operation().ports().empty();
         });
}

bool AsksForTokens(const security::v1::Rule& rule) {
  return std::any_of(rule.from().begin(), rule.from().end(),
                     [](const security::v1::Rule::From& from) {
                       return from.source().request_principals_size() +
                                  from.source().not_request_principals_size() >
                              0;
                     }) ||
         std::any_of(rule.when().begin(), rule.when().end(),
                     [](const security::v1::Condition& condition) {
                       const auto key = ParseConditionKey(condition.key());
                       return key.ok() && IsHttpOnly(key->attribute);
                     });
}

}  // namespace

std::string PolicyName(const AuthorizationPolicy& policy) {
  return absl::StrCat(NamespaceOf(policy.metadata()), "/", policy.metadata().name());
}

absl::Status Validate(const AuthorizationPolicy& policy, absl::string_view root_namespace) {
  return base::Annotate(CheckPolicy(policy, root_namespace), PolicyName(policy));
}

bool IsDryRun(const AuthorizationPolicy& policy) {
  const AuthorizationPolicySpec::Action action = policy.spec().action();
  if (action != AuthorizationPolicySpec::ALLOW && action != AuthorizationPolicySpec::DENY) {
    return false;
  }
  const auto& annotations = policy.metadata().annotations();
  const auto found = annotations.find(kDryRun);
  return found != annotations.end() && ParseGoBool(found->second).value_or(false);
}

std::vector<std::string> Warnings(const AuthorizationPolicy& policy) {
  std::vector<std::string> warnings;
  const std::string name = PolicyName(policy);
  const AuthorizationPolicySpec& spec = policy.spec();
  if (spec.has_selector() && !HasLabels(spec.selector())) {
    warnings.push_back(
        absl::StrCat(name, ": spec.selector: without labels selects every workload"));
  }
  // Of a CUSTOM they vanish likewise, so that its provider is asked about every connection.
  const bool widens = spec.action() == AuthorizationPolicySpec::DENY ||
                      spec.action() == AuthorizationPolicySpec::CUSTOM;
  if (!widens) return warnings;
  const auto warn = [&](const std::string& field, absl::string_view what) {
    warnings.push_back(absl::StrCat(
        name, ": ", field, ": ", what,
        " do not exist on TCP ports, where the rest of the rule decides alone; add ports to keep "
        "it to HTTP"));
  };
  for (int i = 0; i < spec.rules_size(); ++i) {
    const security::v1::Rule& rule = spec.rules(i);
    const std::string field = absl::StrCat("spec.rules[", i, "]");
    for (int j = 0; j < rule.to_size(); ++j) {
      if (!IsHttp(rule.to(j).operation()) || !rule.to(j).operation().ports().empty()) continue;
      if (NamesPorts(rule.when())) continue;
      warn(absl::StrCat(field, ".to[", j, "].operation"), "methods, paths and hosts");
    }
    if (!AsksForTokens(rule) || NamesPorts(rule)) continue;
    warn(field, "tokens and headers");
  }
  return warnings;
}

}  // namespace kith::policy
