// Certificate revocation lists (RFC 5280 §5): made and signed here, read by whoever verifies.
// Threads: any; the issuer is only read. Owns: nothing beyond what it returns.
// Errors: INVALID_ARGUMENT for a word that names no reason, INTERNAL when BoringSSL refuses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/x509/certificate_builder.h"

namespace kith::x509 {

// CRLReason; the value is the code on the wire.
enum class RevocationReason : uint8_t {
  kUnspecified = 0,
  kKeyCompromise = 1,
  kAffiliationChanged = 3,
  kSuperseded = 4,
  kCessationOfOperation = 5,
  kPrivilegeWithdrawn = 9,
};
// "keyCompromise", as RFC 5280 spells them.
absl::string_view Name(RevocationReason reason);
absl::StatusOr<RevocationReason> ParseRevocationReason(absl::string_view name);

struct RevokedCertificate {
  std::string serial;  // Lower-case hex.
  absl::Time at;
  RevocationReason reason = RevocationReason::kUnspecified;
};

struct CrlSpec {
  uint64_t number = 1;  // Greater than that of every list before.
  absl::Time this_update;
  absl::Time next_update;
  std::vector<RevokedCertificate> revoked;
};

// DER.
absl::StatusOr<std::string> BuildCrl(const CrlSpec& spec, const Issuer& issuer);
std::string CrlPem(absl::string_view der);

}  // namespace kith::x509
