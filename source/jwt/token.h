// The outside of a JSON Web Token (RFC 7515, compact form): three parts of canonical base64url, the
// first two of them JSON objects of bounded size, depth and member count in which no name occurs
// twice. Nothing here says whether to believe it.
// Threads: any, pure. Owns: a Token owns its JSON; its views point into the text it was parsed
// from. Errors: INVALID_ARGUMENT with a fixed text; no part of a token is ever in a message.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::jwt {

inline constexpr size_t kMaxTokenBytes = 16 * 1024;

struct Token {
  std::string algorithm;  // As the header names it; "" when it names none.
  std::string key_id;     // "" when the header has no "kid".
  nlohmann::json claims;
  absl::string_view payload;      // The claims as they were sent: base64url.
  absl::string_view signed_part;  // What the signature is over.
  std::string signature;
};

absl::StatusOr<Token> ParseToken(absl::string_view text);

// base64url without padding, and only the one canonical spelling of the bytes.
bool DecodeBase64Url(absl::string_view text, std::string& bytes);

// A JSON object within the bounds of a token's part. Null when `text` is none.
nlohmann::json ParseBoundedObject(absl::string_view text);

}  // namespace kith::jwt
