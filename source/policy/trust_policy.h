// TrustPolicies: whether one means something, and which of them a workload obeys in which order.
// What they ask for is in the protobuf; tls/ enforces it.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT "demo/pins: spec.pins[0].publicKeys[1]: ...".
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kith/trust/v1/trust_policy.pb.h"
#include "source/policy/select.h"

namespace kith::policy {

// Of intermediates, and the years a connection may be told to live.
inline constexpr uint32_t kMaxVerifyDepth = 8;

absl::Status Validate(const trust::v1::TrustPolicy& policy);

// Those that concern the workload, the one whose fields hold first: its own namespace before the
// root namespace, each with a selector before those without, then the older, then by name.
std::vector<const trust::v1::TrustPolicy*> SelectTrustPolicies(
    absl::Span<const trust::v1::TrustPolicy> policies, const Workload& workload);

// A SHA-256 digest in hex, colons allowed, or in base64.
absl::StatusOr<std::array<uint8_t, 32>> ParsePin(absl::string_view text);

}  // namespace kith::policy
