#include "source/controlplane/webhook/policy_review.h"

#include "absl/strings/str_cat.h"
#include "source/policy/lint.h"
#include "source/policy/select.h"

namespace kith::controlplane {
namespace {

using security::v1::AuthorizationPolicy;

// Whether `other` is another policy that some of the same workloads may be subject to.
bool IsNeighbour(const AuthorizationPolicy& other, const AuthorizationPolicy& policy,
                 const std::string& root_namespace) {
  const absl::string_view own = policy::NamespaceOf(policy.metadata());
  const absl::string_view theirs = policy::NamespaceOf(other.metadata());
  if (own == theirs) return other.metadata().name() != policy.metadata().name();
  return own == root_namespace || theirs == root_namespace;
}

}  // namespace

PolicyReview ReviewPolicy(const AuthorizationPolicy& policy, const MeshState& mesh,
                          const policy::PolicySet::Options& options,
                          const std::vector<std::string>& federated_trust_domains) {
  std::vector<AuthorizationPolicy> policies;
  for (const AuthorizationPolicy& other : mesh.authorization_policies) {
    if (IsNeighbour(other, policy, options.root_namespace)) policies.push_back(other);
  }
  const size_t own = policies.size();
  policies.push_back(policy);
  policy::LintInput input;
  input.policies = policies;
  input.peer_authentications = mesh.peer_authentications;
  input.mesh = options;
  input.federated_trust_domains = federated_trust_domains;
  PolicyReview review;
  for (const policy::Finding& finding : policy::Lint(input)) {
    if (finding.index != own) continue;
    std::string text;
    if (!finding.field.empty()) absl::StrAppend(&text, finding.field, ": ");
    absl::StrAppend(&text, finding.code, ": ", finding.what);
    if (!finding.fix.empty()) absl::StrAppend(&text, "; ", finding.fix);
    const bool is_error = finding.severity == policy::Finding::Severity::kError;
    (is_error ? review.errors : review.warnings).push_back(std::move(text));
  }
  return review;
}

}  // namespace kith::controlplane
