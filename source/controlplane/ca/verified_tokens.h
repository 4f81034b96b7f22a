// Tokens that were found good, so that a signature is verified once and not with every request. A
// token is known by its SHA-256 and never kept. What is found here counts only while the key set
// that verified it is still its issuer's, and within the token's own time: the caller of Find()
// looks at both. Join tokens never come here.
// Threads: any; a mutex is held for each call. Owns: at most 2 x `half` entries, about 400 bytes
// each; only good tokens make one, so a stranger cannot fill it. Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/controlplane/ca/caller.h"
#include "source/jwt/key_set.h"

namespace kith::controlplane {

class VerifiedTokens {
 public:
  struct Entry {
    Caller caller;
    size_t issuer = 0;                         // Among those that are trusted.
    std::shared_ptr<const jwt::KeySet> keys;   // Held, so that no later set has its address.
    absl::Time begins = absl::InfinitePast();  // Ends with the caller's token.
  };
  using Digest = std::array<uint8_t, 32>;
  static Digest DigestOf(absl::string_view token);

  explicit VerifiedTokens(size_t half = 8192) : half_(half) {}

  // Null when it is not known.
  std::shared_ptr<const Entry> Find(const Digest& token);
  void Add(const Digest& token, Entry entry);
  size_t size() const;

 private:
  using Entries = absl::flat_hash_map<Digest, std::shared_ptr<const Entry>>;
  void Put(const Digest& token, std::shared_ptr<const Entry> entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t half_;
  mutable std::mutex mutex_;
  // Full, the young become the old, and what was not asked for since it grew old is forgotten.
  Entries young_ ABSL_GUARDED_BY(mutex_);
  Entries old_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kith::controlplane
