// The ES256 key (ECDSA on P-256 with SHA-256, RFC 7518 §3.4) that signs this mesh's own tokens,
// kept in token-key.pem (0600) of the state directory. Threads: any; immutable. Owns: the key,
// which is never printed. Errors: LoadOrCreate() names the file and the remedy.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/jwt/key_set.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace kith::controlplane {

class TokenKey {
 public:
  static absl::StatusOr<std::shared_ptr<const TokenKey>> LoadOrCreate(const StateDirectory& state);
  ~TokenKey();
  TokenKey(const TokenKey&) = delete;
  TokenKey& operator=(const TokenKey&) = delete;

  // The key's thumbprint (RFC 7638): what a token's header names it by.
  const std::string& id() const { return id_; }

  // 64 bytes: r and s, big-endian.
  absl::StatusOr<std::string> Sign(absl::string_view message) const;
  // What verifies: a set of one.
  const std::shared_ptr<const jwt::KeySet>& Public() const { return public_; }

 private:
  TokenKey(EVP_PKEY* key, std::string id, std::shared_ptr<const jwt::KeySet> with);
  EVP_PKEY* key_;
  std::string id_;
  std::shared_ptr<const jwt::KeySet> public_;
};

}  // namespace kith::controlplane
