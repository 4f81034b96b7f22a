// The parameters of a query string: a=b&c=d, percent-decoded, '+' is a space.
// Threads: any. Owns: nothing.
// Errors: false for a malformed escape.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace kith::http {

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// `query` is what follows '?'. Appends in order; a name without '=' has an empty value.
[[nodiscard]] bool DecodeQuery(absl::string_view query, QueryParameters& parameters);

}  // namespace kith::http
