// Reads a certificate signing request (PKCS#10). Only its public key is ever used: the names,
// extensions and lifetimes that it asks for are not even looked at.
// Threads: any. Owns: the key it returns.
// Errors: OUT_OF_RANGE when it is too large, INVALID_ARGUMENT when it is malformed,
// FAILED_PRECONDITION for a key that is not accepted, PERMISSION_DENIED when it is not signed by
// its own key.
#pragma once

#include <openssl/base.h>
#include <openssl/evp.h>

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::x509 {

constexpr size_t kMaxSigningRequest = 64 * 1024;

struct SigningRequest {
  bssl::UniquePtr<EVP_PKEY> key;
  std::string public_key_info;  // The key as a SubjectPublicKeyInfo in DER.
  std::string key_type;         // "P-256", "RSA-3072".
};

// PEM or DER. Its signature proves that whoever made it holds the private key.
absl::StatusOr<SigningRequest> ParseSigningRequest(absl::string_view request);

}  // namespace kith::x509
