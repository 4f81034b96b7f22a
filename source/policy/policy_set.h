// AuthorizationPolicy, compiled: decides one connection or request, and says which rule decided.
// Semantics: Istio's (security.istio.io/v1), as in docs/authorization.md.
// Threads: immutable after Compile(); shared by all workers. Decide() neither locks nor allocates.
// Owns: its tables. Errors: Compile() names the policy, the field and what is wrong with it;
// nothing of a policy is ever ignored.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "source/policy/explain.h"
#include "source/policy/partial.h"
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

  // Whether there is any CUSTOM policy.
  bool asks() const;
  // CUSTOM, the first question: whom to ask before Decide(). Nothing: nobody. It is asked before
  // tokens are verified and reads no claims.
  absl::optional<CustomMatch> MatchCustom(const Request& request) const;
  // AUDIT, DENY and ALLOW.
  Decision Decide(const Request& request) const;

  // What the policies that are only tried out ("istio.io/dry-run") would decide, and whether there
  // are any. Never enforced.
  bool has_dry_run() const;
  Decision DecideDryRun(const Request& request) const;

  // Decide() and MatchCustom() with their reasons. Slow.
  Explanation Explain(const Request& request) const;

  // Of a request of which not everything is known: the answer where that makes no difference.
  // Slow.
  PartialDecision DecidePartly(const Request& request, const Unknown& unknown) const;

  // What to say of a denial that no rule made, for logs: "no rule matched of the ALLOW policies
  // demo/a, demo/b".
  const std::string& unmatched() const;

  // Whether any rule reads paths, so that suspicious spellings of a path must be refused
  // (http/path.h).
  bool reads_paths() const;
  // Whether any rule reads headers: otherwise Request::headers may stay empty.
  bool reads_headers() const;
  // Whether any rule reads the peer's certificate: otherwise Request::certificate may stay null.
  bool reads_certificates() const;

 private:
  explicit PolicySet(std::unique_ptr<const Tables> tables);

  std::unique_ptr<const Tables> tables_;
};

}  // namespace kith::policy
