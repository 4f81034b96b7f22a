#include "source/jwt/token.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace kith::jwt {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 16;
// Each costs the parser far more memory than the two bytes it takes on the wire.
constexpr size_t kMaxValues = 1024;

// Watches a parse: nlohmann would build whatever depth and keep the last of two equal names.
class Bounds {
 public:
  bool Allow(int depth, json::parse_event_t event, const json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
        names_.emplace_back();
        break;
      case json::parse_event_t::object_end:
        if (!names_.empty()) names_.pop_back();
        break;
      case json::parse_event_t::key:
        broken_ |= names_.empty() || !names_.back().insert(value.get<std::string>()).second;
        break;
      default:
        break;
    }
    broken_ |= depth > kMaxDepth || ++values_ > kMaxValues;
    return !broken_;
  }
  bool broken() const { return broken_; }

 private:
  std::vector<std::set<std::string>> names_;
  size_t values_ = 0;
  bool broken_ = false;
};

absl::Status Malformed(absl::string_view what) { return absl::InvalidArgumentError(what); }

// A header parameter that is absent or a string.
bool TakeText(const json& header, const char* name, std::string& text) {
  const auto found = header.find(name);
  if (found == header.end()) return true;
  const auto* value = found->get_ptr<const std::string*>();
  if (value == nullptr) return false;
  text = *value;
  return true;
}

}  // namespace

bool DecodeBase64Url(absl::string_view text, std::string& bytes) {
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
  // Encoding again finds stray bits in the last character.
  return clean && absl::WebSafeBase64Unescape(text, &bytes) &&
         absl::WebSafeBase64Escape(bytes) == text;
}

json ParseBoundedObject(absl::string_view text) {
  Bounds bounds;
  const auto watch = [&bounds](int depth, json::parse_event_t event, const json& value) {
    return bounds.Allow(depth, event, value);
  };
  json object = json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (bounds.broken() || !object.is_object()) return {};
  return object;
}

absl::StatusOr<Token> ParseToken(absl::string_view text) {
  if (text.size() > kMaxTokenBytes) return Malformed("the token is too long");
  const size_t first = text.find('.');
  const size_t second = first == absl::string_view::npos ? first : text.find('.', first + 1);
  if (second == absl::string_view::npos || text.find('.', second + 1) != absl::string_view::npos) {
    return Malformed("the token is not three parts divided by dots");
  }
  Token token;
  token.signed_part = text.substr(0, second);
  token.payload = text.substr(first + 1, second - first - 1);
  std::string header_text;
  std::string claims_text;
  if (!DecodeBase64Url(text.substr(0, first), header_text) ||
      !DecodeBase64Url(token.payload, claims_text) ||
      !DecodeBase64Url(text.substr(second + 1), token.signature)) {
    return Malformed("the token's parts are not base64url");
  }
  const json header = ParseBoundedObject(header_text);
  if (!header.is_object()) return Malformed("the token's header is not a sound JSON object");
  token.claims = ParseBoundedObject(claims_text);
  if (!token.claims.is_object()) return Malformed("the token's payload is not a sound JSON object");
  if (!TakeText(header, "alg", token.algorithm) || !TakeText(header, "kid", token.key_id)) {
    return Malformed("the token's header names its algorithm or key in no string");
  }
  // "crit" demands extensions (RFC 7515 §4.1.11), "b64" and "enc" other ways of reading.
  if (header.contains("crit") || header.contains("enc") || header.contains("b64")) {
    return Malformed("the token asks for an extension that is not known here");
  }
  return token;
}

}  // namespace kith::jwt
