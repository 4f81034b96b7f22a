// Keys and certificates in BoringSSL's terms: what the certificate authority and kithctl make them
// of. Threads: any; a key or certificate is not changed after it is made. Owns: what it returns.
// Errors: INVALID_ARGUMENT for bytes that are wrong, INTERNAL when BoringSSL cannot do what it
// always can. Messages never hold key material.
#pragma once

#include <openssl/base.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::x509 {

// "attempted: <BoringSSL's newest reason>". Empties this thread's error queue.
absl::Status CryptoError(absl::string_view attempted,
                         absl::StatusCode code = absl::StatusCode::kInternal);

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> GenerateP256Key();
// One unencrypted private key in PEM.
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ParsePrivateKeyPem(absl::string_view pem);
absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key);

// "P-256", "P-384", "RSA-3072", "Ed25519". FAILED_PRECONDITION for a key too weak to certify,
// INVALID_ARGUMENT for a kind that is not supported.
absl::StatusOr<std::string> AcceptedKeyType(const EVP_PKEY* key);
// The digest that goes with the key; null for Ed25519, which brings its own.
const EVP_MD* DigestFor(const EVP_PKEY* key);

// At least one certificate, at most 64.
absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCertificatesPem(absl::string_view pem);
absl::StatusOr<std::string> CertificatePem(X509* certificate);

// Lower-case hex of whole bytes without leading zero bytes.
std::string SerialHex(const X509* certificate);
std::string SubjectText(const X509* certificate);
absl::Time NotBefore(const X509* certificate);
absl::Time NotAfter(const X509* certificate);
// Its SubjectPublicKeyInfo, in DER.
std::string PublicKeyInfo(const EVP_PKEY* key);
// What the BIT STRING of a SubjectPublicKeyInfo holds; `info` is one that PublicKeyInfo() or a
// parsed certificate or request gave.
absl::string_view PublicKeyBits(absl::string_view info);
// The first 160 bits of the SHA-256 of the public key (RFC 7093 §2, method 1).
std::string KeyIdentifier(absl::string_view info);

std::string RandomBytes(size_t size);

}  // namespace kith::x509
