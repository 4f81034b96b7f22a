// One issuer of tokens, compiled from a JWTRule: what its tokens must be, where they are found, and
// what becomes of them.
// Threads: immutable; shared by all workers. Owns: itself; the keys are shared.
// Errors: Compile() names the field and what to write. Verify() answers with a Failure, whose texts
// are those that Istio's users know.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/jwt/key_set.h"
#include "source/jwt/token.h"

namespace kith::security::v1 {
class JWTRule;
}

namespace kith::jwt {

// How far clocks may differ.
inline constexpr absl::Duration kClockSkew = absl::Seconds(60);

enum class Failure : uint8_t {
  kNone,
  kBadFormat,
  kSeveralTokens,
  kUnknownIssuer,
  kAlgorithm,
  kNoKeys,  // They could not be fetched.
  kNoKey,
  kBadSignature,
  kExpired,
  kNotYetValid,
  kAudience,
};
// The response's body, "Jwt is expired".
absl::string_view TextOf(Failure failure);
// What metrics count it as, "expired".
absl::string_view NameOf(Failure failure);
// 403 for an audience, else 401.
int StatusOf(Failure failure);

struct Rule {
  struct HeaderLocation {
    std::string name;
    std::string prefix;
  };
  struct ClaimHeader {
    std::string header;
    std::vector<std::string> path;
  };

  std::string issuer;
  std::vector<std::string> audiences;
  std::shared_ptr<const KeySet> keys;  // Null: there are none, and every token is refused.
  std::vector<HeaderLocation> headers;
  std::vector<std::string> parameters;
  std::vector<std::string> cookies;
  std::string payload_header;
  std::vector<ClaimHeader> claim_headers;
  std::vector<std::string> space_delimited;
  bool forward_token = false;

  static absl::StatusOr<Rule> Compile(const security::v1::JWTRule& rule);

  Failure Verify(const Token& token, absl::Time now) const;
};

}  // namespace kith::jwt
