// A JSON Web Key Set (RFC 7517): the public keys that an issuer signs with. RSA of 2048 to 8192
// bits, P-256, P-384 and Ed25519; symmetric keys are never taken, so no public text can serve as a
// secret.
// Threads: immutable; shared. Owns: the keys.
// Errors: Parse() says what is wrong with the set. Single keys that are not understood, too weak or
// not for signatures are left out, as RFC 7517 §5 asks; a set of which none is left is an error.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::jwt {

inline constexpr size_t kMaxKeySetBytes = 256 * 1024;
inline constexpr size_t kMaxKeys = 64;

enum class Algorithm : uint8_t { kRs256, kRs384, kRs512, kPs256, kEs256, kEs384, kEdDsa };

// False for everything that is not on the list: "none", HMAC, and what is not known.
bool AlgorithmOf(absl::string_view name, Algorithm& algorithm);

class KeySet {
 public:
  static absl::StatusOr<std::shared_ptr<const KeySet>> Parse(absl::string_view json);
  ~KeySet();

  enum class Verdict : uint8_t {
    kGood,
    kNoKey,         // No key of that id and algorithm.
    kBadSignature,  // None of those fits.
  };
  // `key_id` may be empty: then every key that fits the algorithm is tried.
  Verdict Verify(Algorithm algorithm, absl::string_view key_id, absl::string_view signed_part,
                 absl::string_view signature) const;

  size_t size() const;

 private:
  struct Key;
  explicit KeySet(std::vector<Key> keys);

  std::vector<Key> keys_;
};

}  // namespace kith::jwt
