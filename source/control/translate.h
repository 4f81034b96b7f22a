// The control plane's resources as what the data path reads. Strict: an address, principal, number
// or policy that is wrong, or a field that this version does not know, refuses the whole resource.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT (UNIMPLEMENTED from a policy) that names the field and what is wrong:
// the text of a NACK.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/extauthz/provider.h"
#include "source/jwt/authentication.h"
#include "source/mesh/snapshot.h"
#include "source/policy/policy_set.h"
#include "source/ratelimit/rate_limits.h"
#include "source/tls/credentials.h"
#include "source/tls/trust_rules.h"

namespace kith::mesh::v1 {
class Service;
class TrustBundle;
class WorkloadConfig;
}  // namespace kith::mesh::v1

namespace kith::control {

// One policy, as status pages list it.
struct PolicySummary {
  std::string name;    // "namespace/name".
  std::string action;  // "ALLOW", "DENY".
  int rules = 0;
};

struct WorkloadSettings {
  mesh::WorkloadModes modes;
  std::shared_ptr<const policy::PolicySet> policies;
  std::vector<PolicySummary> summaries;
  tls::TrustRules rules;
  std::shared_ptr<const jwt::Authentication> authentication;
  std::shared_ptr<const ratelimit::RateLimits> rate_limits;
  std::vector<extauthz::Provider> providers;
};

// `trust_domain` is the workload's own; settings made for another one are refused. `rules` are the
// bootstrap's, for what no TrustPolicy sets.
absl::StatusOr<WorkloadSettings> TranslateWorkload(const mesh::v1::WorkloadConfig& config,
                                                   absl::string_view trust_domain,
                                                   const tls::TrustRules& rules = {});

// `name` is the resource's, which must be the host or an IP address.
absl::StatusOr<std::shared_ptr<const mesh::Service>> TranslateService(
    const mesh::v1::Service& service, absl::string_view name);

// `name` is the resource's, which must be the trust domain. Whether the roots are sound is for
// tls/credentials.h to say.
absl::StatusOr<tls::TrustBundle::Domain> TranslateTrustBundle(const mesh::v1::TrustBundle& bundle,
                                                              absl::string_view name);

}  // namespace kith::control
