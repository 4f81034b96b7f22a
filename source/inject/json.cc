#include "source/inject/json.h"

#include "absl/strings/str_cat.h"

namespace kith::inject {
namespace {

constexpr int kMaxDepth = 64;  // Below it the library's recursion is safe.

// Counts brackets outside strings; whether they match is the parser's question.
bool IsTooDeep(absl::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    }
    if (c == '}' || c == ']') --depth;
  }
  return false;
}

}  // namespace

absl::StatusOr<Json> Parse(absl::string_view text) {
  if (IsTooDeep(text)) {
    return absl::InvalidArgumentError(absl::StrCat("JSON is nested deeper than ", kMaxDepth));
  }
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError("not JSON");
  return json;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Canonical(const Json& json) {
  return nlohmann::json(json).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

const Json* Find(const Json& json, const char* key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

Json* Find(Json& json, const char* key) {
  return const_cast<Json*>(Find(static_cast<const Json&>(json), key));
}

std::string Text(const Json& json, const char* key) {
  const Json* found = Find(json, key);
  return found == nullptr || !found->is_string() ? std::string() : found->get<std::string>();
}

}  // namespace kith::inject
