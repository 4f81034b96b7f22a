#include "source/base/ip.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace kith::base {

absl::StatusOr<SocketAddress> ParseIp(absl::string_view ip) {
  auto address = SocketAddress::Parse(JoinHostPort(ip, 0));
  if (address.ok()) return address;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(ip.substr(0, 256)), "\" is no IP address"));
}

std::string JoinHostPort(absl::string_view host, uint32_t port) {
  return absl::StrCat(BracketHost(host), ":", port);
}

std::string BracketHost(absl::string_view host) {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]") : std::string(host);
}

}  // namespace kith::base
