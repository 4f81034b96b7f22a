#include "source/policy/validate.h"

#include "absl/strings/str_cat.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/status.h"
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

absl::Status CheckAction(const AuthorizationPolicySpec& spec, bool for_gateways) {
  if (spec.has_provider() && spec.action() != AuthorizationPolicySpec::CUSTOM) {
    return Invalid("spec.provider", "belongs to the action CUSTOM only; remove it");
  }
  switch (spec.action()) {
    case AuthorizationPolicySpec::ALLOW:
      return absl::OkStatus();
    case AuthorizationPolicySpec::DENY:
      if (!spec.rules().empty()) return absl::OkStatus();
      return Invalid("spec.rules", "a DENY without rules denies nothing; write [{}] to deny all");
    case AuthorizationPolicySpec::AUDIT:
    case AuthorizationPolicySpec::CUSTOM:
      if (for_gateways) return absl::OkStatus();
      return absl::UnimplementedError(
          absl::StrCat("spec.action: ", AuthorizationPolicySpec::Action_Name(spec.action()),
                       " is not supported yet; use ALLOW or DENY"));
    default:
      return Invalid("spec.action", absl::StrCat("unknown value ", spec.action()));
  }
}

// What Go's strconv.ParseBool reads, as the annotation's users know it.
absl::Status CheckDryRun(const AuthorizationPolicy& policy, bool for_gateways) {
  const auto& annotations = policy.metadata().annotations();
  const auto found = annotations.find("istio.io/dry-run");
  if (found == annotations.end()) return absl::OkStatus();
  const absl::string_view value = found->second;
  for (absl::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (value == no) return absl::OkStatus();
  }
  constexpr absl::string_view kField = "metadata.annotations[\"istio.io/dry-run\"]";
  for (absl::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (value != yes) continue;
    if (for_gateways) return absl::OkStatus();
    return absl::UnimplementedError(
        absl::StrCat(kField, ": dry runs are not supported yet; remove the policy or enforce it"));
  }
  return Invalid(kField, "must be \"true\" or \"false\"");
}

absl::Status CheckPolicy(const AuthorizationPolicy& policy, absl::string_view root_namespace) {
  const AuthorizationPolicySpec& spec = policy.spec();
  const bool for_gateways = spec.has_target_ref() || spec.target_refs_size() > 0;
  if (policy.metadata().name().empty()) return Invalid("metadata.name", "is missing");
  KITH_RETURN_IF_ERROR(base::Annotate(ValidateSelector(spec.selector()), "spec.selector"));
  KITH_RETURN_IF_ERROR(CheckTargets(spec, NamespaceOf(policy.metadata()) == root_namespace));
  if (spec.rules_size() > kMaxRules) {
    return Invalid("spec.rules", absl::StrCat("more than ", kMaxRules, " rules; split the policy"));
  }
  KITH_RETURN_IF_ERROR(CheckAction(spec, for_gateways));
  KITH_RETURN_IF_ERROR(CheckDryRun(policy, for_gateways));
  const Audience audience = for_gateways ? Audience::kGateways : Audience::kSidecars;
  for (int i = 0; i < spec.rules_size(); ++i) {
    const std::string field = absl::StrCat("spec.rules[", i, "]");
    KITH_RETURN_IF_ERROR(ValidateRule(spec.rules(i), field, audience));
  }
  return absl::OkStatus();
}

}  // namespace

std::string PolicyName(const AuthorizationPolicy& policy) {
  return absl::StrCat(NamespaceOf(policy.metadata()), "/", policy.metadata().name());
}

absl::Status Validate(const AuthorizationPolicy& policy, absl::string_view root_namespace) {
  return base::Annotate(CheckPolicy(policy, root_namespace), PolicyName(policy));
}

std::vector<std::string> Warnings(const AuthorizationPolicy& policy) {
  std::vector<std::string> warnings;
  const std::string name = PolicyName(policy);
  const AuthorizationPolicySpec& spec = policy.spec();
  if (spec.has_selector() && !HasLabels(spec.selector())) {
    warnings.push_back(
        absl::StrCat(name, ": spec.selector: without labels selects every workload"));
  }
  if (spec.action() != AuthorizationPolicySpec::DENY) return warnings;
  for (int i = 0; i < spec.rules_size(); ++i) {
    for (int j = 0; j < spec.rules(i).to_size(); ++j) {
      const Operation& to = spec.rules(i).to(j).operation();
      const bool http =
          to.methods_size() + to.not_methods_size() + to.paths_size() + to.not_paths_size() > 0;
      if (http && to.ports().empty()) {
        warnings.push_back(absl::StrCat(
            name, ": spec.rules[", i, "].to[", j,
            "].operation: methods and paths do not exist on TCP ports, where the rest of the rule "
            "denies alone; add ports to keep it to HTTP"));
      }
    }
  }
  return warnings;
}

}  // namespace kith::policy
