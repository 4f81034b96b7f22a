#include "source/base/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kith::base {
namespace {

absl::Status Invalid(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", absl::CHexEscape(text.substr(0, 256)), "\": ", what));
}

// Digits only: the library's parser also takes signs and spaces.
bool ParseDigits(absl::string_view text, uint32_t& value) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, &value);
}

}  // namespace

SocketAddress::SocketAddress() { std::memset(&storage_, 0, sizeof storage_); }

absl::StatusOr<SocketAddress> SocketAddress::Parse(absl::string_view text) {
  SocketAddress address;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    sockaddr_un& local = address.storage_.local;
    if (rest.empty()) return Invalid(text, "the path of the UNIX socket is missing");
    if (rest.find('\0') != absl::string_view::npos) return Invalid(text, "it holds a zero byte");
    if (rest.size() >= sizeof local.sun_path) {
      return Invalid(text, absl::StrCat("a UNIX socket's path has at most ",
                                        sizeof local.sun_path - 1, " bytes; use a shorter one"));
    }
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path, rest.data(), rest.size());
    return address;
  }

  size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) {
    return Invalid(text, "expected IP:port, [IPv6]:port or unix:/path");
  }
  uint32_t port = 0;
  if (!ParseDigits(rest.substr(colon + 1), port) || port > 65535) {
    return Invalid(text, "its port must be a number from 0 to 65535");
  }
  std::string host(rest.substr(0, colon));
  // inet_pton stops at a zero byte and would accept what follows.
  if (host.find('\0') != std::string::npos) return Invalid(text, "it holds a zero byte");

  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    uint32_t scope = 0;
    size_t percent = host.find('%');
    if (percent != std::string::npos) {
      if (!ParseDigits(absl::string_view(host).substr(percent + 1), scope)) {
        return Invalid(text, "its zone must be the number of an interface");
      }
      host.resize(percent);
    }
    in6_addr ip;
    if (inet_pton(AF_INET6, host.c_str(), &ip) != 1) {
      return Invalid(text, "the part in brackets is no IPv6 address");
    }
    address.SetIpv6(ip, scope, static_cast<uint16_t>(port));
    return address;
  }
  in_addr ip;
  if (inet_pton(AF_INET, host.c_str(), &ip) != 1) {
    return Invalid(
        text,
        "expected a numeric IPv4 address, or an IPv6 address in brackets, before the port "
        "(names are not resolved here)");
  }
  address.SetIpv4(ip, static_cast<uint16_t>(port));
  return address;
}

SocketAddress SocketAddress::From(const sockaddr* from) {
  SocketAddress address;
  // Copied out by bytes, because the caller's object may be of any of the sockaddr types.
  sa_family_t family;
  std::memcpy(&family, reinterpret_cast<const char*>(from) + offsetof(sockaddr, sa_family),
              sizeof family);
  if (family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, from, sizeof v4);
    address.SetIpv4(v4.sin_addr, ntohs(v4.sin_port));
  } else if (family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, from, sizeof v6);
    address.SetIpv6(v6.sin6_addr, v6.sin6_scope_id, ntohs(v6.sin6_port));
  } else if (family == AF_UNIX) {
    const char* path = reinterpret_cast<const char*>(from) + offsetof(sockaddr_un, sun_path);
    sockaddr_un& local = address.storage_.local;
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path, path, strnlen(path, sizeof local.sun_path - 1));
  }
  return address;
}

void SocketAddress::SetIpv4(in_addr ip, uint16_t port) {
  storage_.v4.sin_family = AF_INET;
  storage_.v4.sin_port = htons(port);
  storage_.v4.sin_addr = ip;
}

void SocketAddress::SetIpv6(const in6_addr& ip, uint32_t scope, uint16_t port) {
  if (IN6_IS_ADDR_V4MAPPED(&ip)) {
    in_addr v4;
    std::memcpy(&v4, ip.s6_addr + 12, sizeof v4);
    return SetIpv4(v4, port);
  }
  storage_.v6.sin6_family = AF_INET6;
  storage_.v6.sin6_port = htons(port);
  storage_.v6.sin6_addr = ip;
  storage_.v6.sin6_scope_id = scope;
}

uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(storage_.v4.sin_port);
  if (family() == AF_INET6) return ntohs(storage_.v6.sin6_port);
  return 0;
}

void SocketAddress::set_port(uint16_t port) {
  if (family() == AF_INET) storage_.v4.sin_port = htons(port);
  if (family() == AF_INET6) storage_.v6.sin6_port = htons(port);
}

bool SocketAddress::IsLoopback() const {
  if (family() == AF_INET) return ntohl(storage_.v4.sin_addr.s_addr) >> 24 == 127;
  if (family() == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&storage_.v6.sin6_addr);
  return false;
}

socklen_t SocketAddress::length() const {
  if (family() == AF_INET) return sizeof storage_.v4;
  if (family() == AF_INET6) return sizeof storage_.v6;
  if (family() == AF_UNIX) {
    size_t path = strnlen(storage_.local.sun_path, sizeof storage_.local.sun_path - 1);
    // An unnamed socket is the family alone.
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + (path == 0 ? 0 : path + 1));
  }
  return sizeof storage_.any.sa_family;
}

std::string SocketAddress::ToString() const {
  if (family() == AF_INET) return absl::StrCat(IpString(), ":", port());
  if (family() == AF_INET6) return absl::StrCat("[", IpString(), "]:", port());
  if (family() == AF_UNIX) return absl::StrCat("unix:", UnixPath());
  return "no address";
}

std::string SocketAddress::IpString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
  if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
    if (storage_.v6.sin6_scope_id != 0) return absl::StrCat(text, "%", storage_.v6.sin6_scope_id);
  }
  return text;
}

std::string SocketAddress::UnixPath() const {
  return family() == AF_UNIX ? storage_.local.sun_path : "";
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  return a.length() == b.length() && std::memcmp(&a.storage_, &b.storage_, a.length()) == 0;
}

}  // namespace kith::base
