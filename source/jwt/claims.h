// What the claims of a JSON Web Token (RFC 7519 §4.1) say, for whoever judges them.
// Threads: any, pure. Owns: nothing. Errors: a claim of another kind than it must be counts as bad,
// or as absent, as each function says.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace kith::jwt {

enum class Presence : uint8_t { kAbsent, kGood, kBad };
// A NumericDate that RFC 3339 can write; `time` is set if it is good.
Presence TimeClaim(const nlohmann::json& claims, const char* name, absl::Time& time);

// Null unless it is there and a string. Of any object in the claims, too.
const std::string* TextClaim(const nlohmann::json& claims, const char* name);

// Whether "aud", a string or an array, names one of these.
bool HasAudience(const nlohmann::json& claims, const std::vector<std::string>& audiences);

}  // namespace kith::jwt
