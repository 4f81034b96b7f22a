// Members of JSON objects whose type nobody promises: a wrong one reads as if it were not there.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace kith::controlplane {

// Empty unless it is a string.
inline std::string TextOf(const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Zero unless it is a whole number that is not negative.
inline uint64_t NumberOf(const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

}  // namespace kith::controlplane
