// Which header fields are worth a place in HPACK's table: those whose value stays the same from one
// request to the next. Everything else would only push these out.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include "absl/strings/string_view.h"

namespace kith::http {

// `name` is in lower case.
inline bool IsWorthIndexing(absl::string_view name) {
  if (name.empty()) return false;
  if (name.front() == ':') return name != ":path";
  switch (name.size()) {
    case 2:
      return name == "te";
    case 4:
      return name == "host" || name == "vary";
    case 6:
      return name == "accept" || name == "server" || name == "expect";
    case 10:
      return name == "user-agent";
    case 12:
      return name == "content-type" || name == "grpc-timeout";
    case 13:
      return name == "cache-control" || name == "grpc-encoding";
    case 15:
      return name == "accept-encoding" || name == "accept-language";
    case 16:
      return name == "content-encoding";
    case 17:
      return name == "x-forwarded-proto";
    case 20:
      return name == "grpc-accept-encoding";
    default:
      return false;
  }
}

}  // namespace kith::http
