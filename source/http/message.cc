#include "source/http/message.h"

#include "absl/strings/match.h"

namespace kith::http {

const Header* Find(absl::Span<const Header> headers, absl::string_view name) {
  for (const Header& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, name)) return &header;
  }
  return nullptr;
}

const Header* MessageHead::Find(absl::string_view name) const { return http::Find(headers, name); }

bool IsHopByHop(absl::string_view name) {
  // By length first: this runs for every header of every message.
  switch (name.size()) {
    case 2:
      return absl::EqualsIgnoreCase(name, "te");
    case 7:
      return absl::EqualsIgnoreCase(name, "upgrade");
    case 10:
      return absl::EqualsIgnoreCase(name, "connection") ||
             absl::EqualsIgnoreCase(name, "keep-alive");
    case 14:
      return absl::EqualsIgnoreCase(name, "http2-settings");
    case 16:
      return absl::EqualsIgnoreCase(name, "proxy-connection");
    case 17:
      return absl::EqualsIgnoreCase(name, "transfer-encoding");
    default:
      return false;
  }
}

}  // namespace kith::http
