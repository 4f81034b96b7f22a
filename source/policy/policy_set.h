// AuthorizationPolicy, compiled: decides one connection or request, and says which rule decided.
// Semantics: Istio's (security.istio.io/v1), as in docs/authorization.md.
// Threads: immutable after Compile(); shared by all workers. Decide() neither locks nor allocates.
// Owns: its tables. Errors: Compile() names the policy, the field and what is wrong with it; a
// field this version does not enforce is UNIMPLEMENTED, never ignored.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/policy/request.h"

namespace kith::security::v1 {
class AuthorizationPolicy;
}

namespace kith::policy {

struct Tables;

class PolicySet {
 public:
  // Trust-domain context for principals (aliases) and for policies of the root namespace.
  struct Options {
    std::string trust_domain = "cluster.local";
    std::vector<std::string> trust_domain_aliases;
    std::string root_namespace = "istio-system";
  };

  // All `policies` apply to the workload; selection by labels (select.h) is done by then. Those for
  // gateways (targetRefs) are validated and left out.
  static absl::StatusOr<std::shared_ptr<const PolicySet>> Compile(
      absl::Span<const security::v1::AuthorizationPolicy> policies, const Options& options);
  // Allows everything: the state of a workload without policies.
  static std::shared_ptr<const PolicySet> AllowAll();
  // Denies everything: the state before the control plane has spoken.
  static std::shared_ptr<const PolicySet> DenyAll();

  ~PolicySet();

  Decision Decide(const Request& request) const;

  // What to say of a denial that no rule made, for logs: "no rule matched of the ALLOW policies
  // demo/a, demo/b".
  const std::string& unmatched() const;

  // Whether any rule reads paths, so that suspicious spellings of a path must be refused
  // (http/path.h).
  bool reads_paths() const;

 private:
  explicit PolicySet(std::unique_ptr<const Tables> tables);

  std::unique_ptr<const Tables> tables_;
};

}  // namespace kith::policy
