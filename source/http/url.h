// An absolute http or https URL, taken apart.
// Threads: any, pure. Owns: itself. Errors: INVALID_ARGUMENT, to be put after the URL: "has no
// host".
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::http {

struct Url {
  std::string scheme;  // "http" or "https".
  std::string host;    // In lower case; an IPv6 address without its brackets.
  uint16_t port = 0;
  std::string target;  // Path and query.
};

// A fragment is left out; a user is an error.
absl::StatusOr<Url> ParseUrl(absl::string_view text);

}  // namespace kith::http
