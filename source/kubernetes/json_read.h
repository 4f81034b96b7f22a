// Reads JSON whose shape is not known: what is not there, or of another type, is nothing.
// Threads: any, pure. Owns: nothing. Errors: none; nothing here throws.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace kith::kubernetes {

// Discarded when it is no JSON; Find() and Text() then give nothing.
inline nlohmann::json ParseJson(absl::string_view text) {
  return nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

// A member that is not null; null when there is none, or `object` is null or no object.
inline const nlohmann::json* Find(const nlohmann::json* object, const char* key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found == object->end() || found->is_null() ? nullptr : &*found;
}

inline std::string Text(const nlohmann::json* object, const char* key) {
  const nlohmann::json* found = Find(object, key);
  return found == nullptr || !found->is_string() ? "" : found->get<std::string>();
}

}  // namespace kith::kubernetes
