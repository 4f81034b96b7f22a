// The kinds of key that are certified and generated here, by the names that messages, configuration
// and the audit log use: "P-256", "RSA-3072".
// Threads: any. Owns: nothing. Errors: INVALID_ARGUMENT for a name that is not on the list.
#pragma once

#include <openssl/base.h>
#include <openssl/evp.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::x509 {

enum class KeyType : uint8_t { kP256, kP384, kRsa2048, kRsa3072, kRsa4096, kEd25519 };

absl::string_view Name(KeyType type);
// In any case of letters.
absl::StatusOr<KeyType> ParseKeyType(absl::string_view name);
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> GenerateKey(KeyType type);

}  // namespace kith::x509
