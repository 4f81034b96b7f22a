// Which PeerAuthentication mode holds for a workload: the mesh's, its namespace's and its own
// policies, each narrower one over the wider.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT "demo/strict: spec.portLevelMtls[0]: ..." for a policy that means
// nothing, and for two of one level without timestamps to decide between them.
#pragma once

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kith/security/v1/peer_authentication.pb.h"
#include "source/policy/select.h"

namespace kith::policy {

struct EffectiveMtls {
  using Mode = security::v1::PeerAuthenticationSpec::MutualTLS::Mode;

  Mode mode = security::v1::PeerAuthenticationSpec::MutualTLS::PERMISSIVE;  // Never UNSET.
  std::map<uint16_t, Mode> port_modes;  // By workload port: where it differs from `mode`.
};

absl::Status Validate(const security::v1::PeerAuthentication& policy);

// `policies` may be those of the whole mesh; what does not concern the workload is passed over, its
// errors included.
absl::StatusOr<EffectiveMtls> ResolvePeerAuthentication(
    absl::Span<const security::v1::PeerAuthentication> policies, const Workload& workload);

}  // namespace kith::policy
