// The Online Certificate Status Protocol (RFC 6960), the responder's side: requests are read,
// responses made and signed by the issuer itself.
// Threads: any; the issuer is only read. Owns: nothing beyond what it returns.
// Errors: INVALID_ARGUMENT for a request that is malformed or asks for too much, INTERNAL when
// BoringSSL refuses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/x509/certificate_builder.h"
#include "source/x509/crl.h"
#include "source/x509/ocsp_id.h"
#include "source/x509/ocsp_response.h"

namespace kith::x509 {

inline constexpr size_t kMaxOcspRequest = 16 * 1024;
inline constexpr size_t kMaxOcspCertificates = 16;  // In one request.

struct OcspRequest {
  std::vector<OcspCertificateId> certificates;
  std::string nonce;  // The extension's value, to be sent back; empty without one.
};
absl::StatusOr<OcspRequest> ParseOcspRequest(absl::string_view der);

// Whether `id` names `issuer` as the one that issued the certificate.
bool IsIssuerOf(const OcspCertificateId& id, const Issuer& issuer);

struct OcspAnswer {
  CertificateStatus status = CertificateStatus::kUnknown;
  // Of kRevoked.
  absl::Time revoked_at = absl::UnixEpoch();
  RevocationReason reason = RevocationReason::kUnspecified;
};
struct OcspTimes {
  absl::Time produced_at;
  absl::Time this_update;
  absl::Time next_update;
};
// `answers` in the order of the request's certificates. DER.
absl::StatusOr<std::string> BuildOcspResponse(const OcspRequest& request,
                                              const std::vector<OcspAnswer>& answers,
                                              const OcspTimes& times, const Issuer& issuer);

// Responses without content, which nobody signs.
enum class OcspError : uint8_t { kMalformedRequest = 1, kInternalError = 2, kUnauthorized = 6 };
std::string OcspErrorResponse(OcspError error);

}  // namespace kith::x509
