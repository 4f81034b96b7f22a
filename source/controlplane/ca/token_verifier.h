// Tells who is calling from a bearer token: a JSON Web Token of an issuer that is trusted here,
// with the claims of Kubernetes' service-account tokens. Threads: any, at once. Owns: its list of
// issuers, and what it knows of tokens it has verified (verified_tokens.h). Errors: UNAUTHENTICATED
// with a Refusal (refusal.h); the message says what is wrong with the token and never holds it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/ca/token_key.h"
#include "source/controlplane/ca/verified_tokens.h"
#include "source/jwt/key_set.h"

namespace kith::controlplane {

class TokenVerifier {
 public:
  virtual ~TokenVerifier() = default;
  virtual absl::StatusOr<Caller> Verify(absl::string_view token) const = 0;
};

// Whose tokens are believed, and about whom.
struct TrustedIssuer {
  std::string issuer;                           // The claim "iss".
  std::vector<std::string> audiences;           // One of them must be in "aud".
  std::vector<std::string> namespaces = {};     // That its tokens may name; empty: any.
  std::vector<jwt::Algorithm> algorithms = {};  // Empty: whatever its keys are for.
  // The present keys; null while there are none. Called on any thread, as is the next.
  std::function<std::shared_ptr<const jwt::KeySet>()> keys;
  // A token names a key that is not among them.
  std::function<void()> key_missing = [] {};
  std::string key_hint;  // What to check then, for the message.
  bool own = false;      // Made here: what its tokens say of a join is believed.
};

// This control plane's own tokens (token_issuer.h): ES256 and nothing else.
TrustedIssuer OwnIssuer(const TokenKey& key, std::string issuer = "kith",
                        std::string audience = "kith-ca");

class JwtVerifier final : public TokenVerifier {
 public:
  explicit JwtVerifier(std::vector<TrustedIssuer> issuers,
                       const base::Clock* clock = &base::Clock::System())
      : issuers_(std::move(issuers)), clock_(clock) {}

  absl::StatusOr<Caller> Verify(absl::string_view token) const override;

 private:
  // Of a token whose signature is verified already: null when it must be, by keys that are present.
  std::shared_ptr<const VerifiedTokens::Entry> Known(const VerifiedTokens::Digest& digest) const;
  absl::StatusOr<VerifiedTokens::Entry> VerifyAnew(absl::string_view token) const;

  const std::vector<TrustedIssuer> issuers_;
  const base::Clock* const clock_;
  mutable VerifiedTokens known_;
};

}  // namespace kith::controlplane
