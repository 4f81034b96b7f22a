// Why a token or a request for a certificate was refused: two closed lists, for metrics and the
// audit log, carried beside a Status whose message is for a person. Threads: any. Owns: nothing.
// Errors: these are them.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::controlplane {

enum class Refusal : uint8_t {
  kNone,
  // Of a token.
  kTokenMissing,
  kTokenTooLarge,
  kTokenMalformed,
  kTokenAlgorithm,
  kTokenUnknownKey,
  kTokenSignature,
  kTokenIssuer,
  kTokenAudience,
  kTokenExpired,
  kTokenNotYetValid,
  kTokenSubject,
  kTokenUsed,
  // Of a request for a certificate.
  kUnauthenticated,
  kRequestTooLarge,
  kRequestMalformed,
  kRequestSignature,
  kRequestKey,
  kRequestLifetime,
  kRequestUnsupported,
  kRevoked,
  kNotAllowed,
  kRateLimited,
  kIssuerExpired,
  kAuditUnavailable,
  kInternal,
};
constexpr int kRefusalCount = static_cast<int>(Refusal::kInternal) + 1;

// snake_case, for labels; "-" for kNone.
absl::string_view Name(Refusal refusal);

// A Status that carries the refusal.
absl::Status Refuse(absl::StatusCode code, Refusal refusal, absl::string_view message);
// kInternal when `status` carries none, kNone when it is OK.
Refusal RefusalOf(const absl::Status& status);

}  // namespace kith::controlplane
