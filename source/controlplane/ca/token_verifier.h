// Tells who is calling from a bearer token.
// Threads: any, at once. Owns: what it verifies with.
// Errors: UNAUTHENTICATED with a Refusal (refusal.h); the message says what is wrong with the token
// and never holds it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/ca/token_key.h"

namespace kith::controlplane {

class TokenVerifier {
 public:
  virtual ~TokenVerifier() = default;
  virtual absl::StatusOr<Caller> Verify(absl::string_view token) const = 0;
};

// Tokens that this control plane made itself (token_issuer.h): ES256 and nothing else.
class LocalTokenVerifier final : public TokenVerifier {
 public:
  struct Options {
    std::shared_ptr<const TokenKey> key = nullptr;
    std::string issuer = "kith";
    std::string audience = "kith-ca";
    const base::Clock* clock = &base::Clock::System();
    absl::Duration skew = absl::Seconds(60);  // How far `nbf` and `iat` may lie ahead.
  };
  explicit LocalTokenVerifier(Options options) : options_(std::move(options)) {}

  absl::StatusOr<Caller> Verify(absl::string_view token) const override;

 private:
  Options options_;
};

}  // namespace kith::controlplane
