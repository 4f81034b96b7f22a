// Issuers for tests: keys of every kind, their JSON Web Key Sets, and tokens signed with them.
// Threads: one. Owns: the key. Errors: what cannot be made aborts the test.
#pragma once

#include <openssl/evp.h>

#include <string>

#include "absl/strings/string_view.h"

namespace kith::test {

class TokenMaker {
 public:
  enum class Key { kRsa2048, kRsa1024, kP256, kP384, kEd25519 };

  TokenMaker(Key kind, std::string key_id);

  // The public key as a JWK object; `more` are further members, as in R"(,"alg":"RS256")".
  std::string Jwk(absl::string_view more = "") const;
  // A set of this key only.
  std::string Jwks(absl::string_view more = "") const;

  // Signed with the algorithm that `header`'s "alg" names.
  std::string SignWithHeader(absl::string_view header, absl::string_view payload) const;
  // With {"alg":ALGORITHM,"kid":KEY ID}.
  std::string Sign(absl::string_view algorithm, absl::string_view payload) const;

 private:
  std::string Signature(absl::string_view algorithm, absl::string_view text) const;

  Key kind_;
  std::string id_;
  bssl::UniquePtr<EVP_PKEY> key_;
};

}  // namespace kith::test
