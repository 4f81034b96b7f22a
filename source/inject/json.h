// JSON as injection handles it: a pod's fields keep their order, so that a person finds them where
// they were.
// Threads: any, pure. Owns: nothing.
// Errors: Parse() is INVALID_ARGUMENT for what is no JSON, or nested deeper than any Kubernetes
// object is.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace kith::inject {

using Json = nlohmann::ordered_json;

absl::StatusOr<Json> Parse(absl::string_view text);
// On one line; bytes that are no UTF-8 are replaced.
std::string Dump(const Json& json);
// With its keys sorted, for comparisons.
std::string Canonical(const Json& json);

// A member of an object; null when it is absent, null, or `json` is no object.
const Json* Find(const Json& json, const char* key);
Json* Find(Json& json, const char* key);
// The text of a member; empty when there is none.
std::string Text(const Json& json, const char* key);

}  // namespace kith::inject
