// The outside of a JSON Web Token (RFC 7515 compact form): three parts of strict base64url, the
// first two of them JSON objects of bounded size and depth. Nothing here says whether to believe
// it. Threads: any. Owns: nothing beyond what it returns. Errors: UNAUTHENTICATED with a Refusal;
// messages never hold a part of the token.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::controlplane {

constexpr size_t kMaxToken = 16 * 1024;

// Fills `header` and `claims`, both objects. `signed_part` views into `token`.
absl::Status ParseJwt(absl::string_view token, nlohmann::json& header, nlohmann::json& claims,
                      absl::string_view& signed_part, std::string& signature);

// base64url without padding, and only the one canonical spelling of the bytes.
bool DecodeBase64Url(absl::string_view text, std::string& bytes);

}  // namespace kith::controlplane
