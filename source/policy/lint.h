// What is wrong with AuthorizationPolicies, or allowed and yet probably not meant: the errors of
// Validate(), the pitfalls of the language, and rules that others make pointless. For people and
// for the admission webhook; docs/authorization-tools.md lists the codes.
// Threads: any, pure. Owns: what it returns. Errors: none; they are findings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "kith/security/v1/peer_authentication.pb.h"
#include "source/policy/policy_set.h"
#include "source/policy/select.h"

namespace kith::policy {

struct Finding {
  enum class Severity : uint8_t { kError, kWarning };

  Severity severity = Severity::kWarning;
  std::string code;    // "shadowed".
  size_t index = 0;    // Into LintInput::policies.
  std::string policy;  // "namespace/name".
  std::string field;   // "spec.rules[0].to[0].operation.paths[1]"; empty: the whole policy.
  std::string what;
  std::string fix;  // Empty when `what` says it.
};

absl::string_view NameOf(Finding::Severity severity);

// Labels that workloads have.
struct KnownLabels {
  enum class Extent : uint8_t {
    kAll,   // One workload's: it has no others.
    kSome,  // Those that a Service selects by: its workloads may have more.
  };

  std::string name_space;
  Labels labels;
  Extent extent = Extent::kAll;
};

struct LintInput {
  absl::Span<const security::v1::AuthorizationPolicy> policies;
  // Whether plaintext is accepted; none: PERMISSIVE.
  absl::Span<const security::v1::PeerAuthentication> peer_authentications = {};
  PolicySet::Options mesh = {};
  std::vector<std::string> federated_trust_domains = {};
  // Empty: the mesh's workloads are not known, and nobody is missed.
  std::vector<KnownLabels> workloads = {};
};

// By policy, errors first. A policy that has an error is not looked at further.
std::vector<Finding> Lint(const LintInput& input);

}  // namespace kith::policy
