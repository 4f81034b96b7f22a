#include "source/controlplane/ca/refusal.h"

#include "absl/strings/cord.h"

namespace kith::controlplane {
namespace {

constexpr absl::string_view kPayload = "kith.dev/refusal";

constexpr absl::string_view kNames[kRefusalCount] = {
    "-",
    "missing",
    "too_large",
    "malformed",
    "algorithm",
    "unknown_key",
    "signature",
    "issuer",
    "audience",
    "expired",
    "not_yet_valid",
    "subject",
    "used",
    "unauthenticated",
    "request_too_large",
    "request_malformed",
    "request_signature",
    "request_key",
    "request_lifetime",
    "request_unsupported",
    "revoked",
    "not_allowed",
    "rate_limited",
    "issuer_expired",
    "audit_unavailable",
    "internal",
};

}  // namespace

absl::string_view Name(Refusal refusal) { return kNames[static_cast<int>(refusal)]; }

absl::Status Refuse(absl::StatusCode code, Refusal refusal, absl::string_view message) {
  absl::Status status(code, message);
  status.SetPayload(kPayload, absl::Cord(absl::string_view(reinterpret_cast<const char*>(&refusal),
                                                           sizeof(refusal))));
  return status;
}

Refusal RefusalOf(const absl::Status& status) {
  if (status.ok()) return Refusal::kNone;
  absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  if (!payload || payload->size() != 1) return Refusal::kInternal;
  auto value = static_cast<uint8_t>((*payload)[0]);
  return value < kRefusalCount ? static_cast<Refusal>(value) : Refusal::kInternal;
}

}  // namespace kith::controlplane
