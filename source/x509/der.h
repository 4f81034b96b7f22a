// The pieces of DER that certificate revocation lists and OCSP responses share: times, serial
// numbers, and a signed structure's last two fields.
// Threads: any. Owns: nothing. Errors: false when BoringSSL cannot allocate or sign, after which
// the CBB is of no use; the reason is in the thread's error queue (CryptoError()).
#pragma once

#include <openssl/base.h>
#include <openssl/bytestring.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::x509 {

// UTCTime up to 2049, GeneralizedTime from then on, as RFC 5280 §4.1.2.5 has it.
bool AddTime(CBB* out, absl::Time time);
// Always GeneralizedTime, as OCSP has it.
bool AddGeneralizedTime(CBB* out, absl::Time time);

// Takes one off the front of `from`: "YYYYMMDDHHMMSSZ", as DER has it.
bool ReadGeneralizedTime(CBS* from, absl::Time& time);

// A non-negative INTEGER from big-endian bytes.
bool AddInteger(CBB* out, absl::string_view big_endian);
// Likewise from lower-case hex, which is how serial numbers are written everywhere outside of DER.
bool AddSerial(CBB* out, absl::string_view hex);
// The hex of an INTEGER's content; empty for a negative or absurdly long one.
std::string SerialFromInteger(const CBS& content);

enum class Critical : uint8_t { kNo, kYes };
// Extension ::= SEQUENCE { extnID, critical, extnValue }; `value` is the DER inside.
bool AddExtension(CBB* extensions, int nid, absl::string_view value,
                  Critical critical = Critical::kNo);

// The AlgorithmIdentifier that goes with signatures by `key`.
bool AddSignatureAlgorithm(CBB* out, EVP_PKEY* key);
// Into an open SEQUENCE: `tbs` as it is, the algorithm, and the BIT STRING over `tbs`.
bool AddSigned(CBB* sequence, absl::string_view tbs, EVP_PKEY* key);

// What was built; empties the CBB.
absl::StatusOr<std::string> Finish(CBB* cbb, absl::string_view attempted);

}  // namespace kith::x509
