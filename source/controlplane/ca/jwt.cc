#include "source/controlplane/ca/jwt.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "source/controlplane/ca/refusal.h"

namespace kith::controlplane {
namespace {

constexpr int kMaxDepth = 8;

absl::Status Malformed(absl::string_view what) {
  return Refuse(absl::StatusCode::kUnauthenticated, Refusal::kTokenMalformed,
                absl::StrCat("token: ", what));
}

bool ParseObject(const std::string& text, nlohmann::json& object) {
  bool too_deep = false;
  auto watch = [&too_deep](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMaxDepth) too_deep = true;
    return !too_deep;
  };
  object = nlohmann::json::parse(text, watch, /*allow_exceptions=*/false);
  return !too_deep && object.is_object();
}

}  // namespace

bool DecodeBase64Url(absl::string_view text, std::string& bytes) {
  bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
  // Encoding again finds stray bits in the last character.
  return clean && absl::WebSafeBase64Unescape(text, &bytes) &&
         absl::WebSafeBase64Escape(bytes) == text;
}

absl::Status ParseJwt(absl::string_view token, nlohmann::json& header, nlohmann::json& claims,
                      absl::string_view& signed_part, std::string& signature) {
  if (token.size() > kMaxToken) {
    return Refuse(
        absl::StatusCode::kUnauthenticated, Refusal::kTokenTooLarge,
        absl::StrCat("token: ", token.size(), " bytes; at most ", kMaxToken, " are read"));
  }
  std::vector<absl::string_view> parts = absl::StrSplit(token, absl::MaxSplits('.', 3));
  if (parts.size() != 3 || parts[0].empty() || parts[1].empty()) {
    return Malformed("not a JSON Web Token (three parts divided by dots)");
  }
  std::string header_text;
  std::string claims_text;
  if (!DecodeBase64Url(parts[0], header_text) || !DecodeBase64Url(parts[1], claims_text) ||
      !DecodeBase64Url(parts[2], signature)) {
    return Malformed("its parts are not base64url");
  }
  if (!ParseObject(header_text, header)) return Malformed("its header is not a JSON object");
  if (!ParseObject(claims_text, claims)) return Malformed("its claims are not a JSON object");
  signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
  return absl::OkStatus();
}

}  // namespace kith::controlplane
