// Which certificate an OCSP request or response is about (CertID, RFC 6960 §4.1.1): the hashes of
// its issuer's name and key, and its serial number.
// Threads: any. Owns: nothing beyond what it returns. Errors: false for what cannot be read.
#pragma once

#include <openssl/base.h>
#include <openssl/bytestring.h>

#include <string>

#include "absl/strings/string_view.h"

namespace kith::x509 {

struct OcspCertificateId {
  std::string der;        // The whole CertID, as it is sent back.
  int digest = 0;         // NID of the hash; undefined for one that is not known.
  std::string name_hash;  // Of the issuer's name.
  std::string key_hash;   // Of the issuer's public key.
  std::string serial;     // Lower-case hex.
};

// Takes one off the front of `from`.
bool ReadOcspId(CBS* from, OcspCertificateId& id);
// With SHA-1, the one hash that every responder knows (RFC 5019 §2.1.1); nothing rests on it.
bool AddOcspId(CBB* out, absl::string_view issuer_name_der, EVP_PKEY* issuer_key,
               absl::string_view serial_hex);
// Whether `id` is of a certificate that an issuer of this name and key has issued.
bool IsOfIssuer(const OcspCertificateId& id, absl::string_view issuer_name_der,
                EVP_PKEY* issuer_key);

}  // namespace kith::x509
