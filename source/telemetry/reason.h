// The closed list of reasons why a connection, a handshake or a request was refused or failed: the
// same words in metrics, logs, status and docs/reasons.md.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace kith::telemetry {

enum class Reason : uint8_t {
  kNone,
  // A peer's certificate.
  kCertificateExpired,
  kCertificateNotYetValid,
  kUnknownRoot,
  kWrongSan,
  kBadSpiffeId,
  kForeignTrustDomain,
  kNoClientCertificate,
  kCertificatePurpose,
  kWeakKey,
  kCertificateRevoked,
  kRevocationUnknown,
  kChainTooLong,
  kPinMismatch,
  kBadCertificate,
  // The handshake around it.
  kAlertReceived,
  kProtocolVersion,
  kNoSharedCipher,
  kNoSharedAlpn,
  kNotTls,
  kPlaintextOnStrict,
  kHandshakeTimeout,
  kPeerClosed,
  kNoIdentity,
  // Decisions and requests.
  kPolicyDenied,
  kTokenRefused,
  kExternalDenied,
  kExternalFailed,
  kRateLimited,
  kBadRequest,
  kRequestTooLarge,
  // The way to the other side.
  kUpstreamUnreachable,
  kUpstreamTimeout,
  kDeadlineExceeded,
  kUpstreamReset,
  kUpstreamProtocolError,
  kUpstreamCredentials,
  kTlsNotOffered,
  kNoEndpoint,
  kUnknownService,
  kCircuitOpen,
  // This side.
  kOverload,
  kMemoryPressure,
  kConnectionReset,
  kConnectionExpired,
  kIdleTimeout,
  kShuttingDown,
  kInternal,
};
inline constexpr size_t kReasonCount = static_cast<size_t>(Reason::kInternal) + 1;

// "certificate_expired"; "-" for kNone.
absl::string_view Name(Reason reason);
// One sentence each: what happened, and the step that mends it.
absl::string_view Cause(Reason reason);
absl::string_view Remedy(Reason reason);

}  // namespace kith::telemetry
