// OCSP (RFC 6960), the asker's side: where a certificate says that it can be asked about, the
// request, and what a response says, once it is found to come from who may speak for the issuer.
// Threads: any. Owns: nothing beyond what it returns.
// Errors: of ReadOcspResponse(): INVALID_ARGUMENT for what is malformed, or has a critical
// extension that is not known here; UNAVAILABLE for a responder's own error; NOT_FOUND when it does
// not speak of the certificate; PERMISSION_DENIED when neither the issuer nor a responder of its
// making has signed it, or with something weaker than SHA-256.
#pragma once

#include <openssl/base.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::x509 {

inline constexpr size_t kMaxOcspResponse = size_t{64} * 1024;

// The first http URL of a responder in the certificate (authority information access); empty when
// it names none. Of others nothing is known: an answer is signed, and needs no TLS.
std::string OcspUrlOf(const X509& certificate);

// DER. Without a nonce, so that responders may answer from what they have signed already.
absl::StatusOr<std::string> MakeOcspRequest(const X509& certificate, const X509& issuer);

enum class CertificateStatus : uint8_t { kGood, kRevoked, kUnknown };

struct OcspStatement {
  CertificateStatus status = CertificateStatus::kUnknown;
  absl::Time revoked_at = absl::InfiniteFuture();  // Of kRevoked.
  absl::Time this_update;
  absl::Time next_update = absl::InfinitePast();  // As this when it says none: never in force.

  bool IsInForce(absl::Time now) const;
};

// What `response`, DER of at most 64 KiB, says of `certificate`, in force or not. `now` is for the
// certificate of a delegated responder, which must be valid.
absl::StatusOr<OcspStatement> ReadOcspResponse(absl::string_view response, const X509& certificate,
                                               const X509& issuer, absl::Time now);

}  // namespace kith::x509
