// An IPv4 or IPv6 address with a port, or a UNIX socket's path.
// Threads: plain values. Owns: itself. Errors: INVALID_ARGUMENT that quotes the text.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::base {

class SocketAddress {
 public:
  SocketAddress();  // family() is AF_UNSPEC: no address.

  // "10.0.0.7:8080", "[::1]:8080", "[fe80::1%2]:8080", "unix:/path". Numeric only, no name is ever
  // resolved here. An IPv4-mapped IPv6 address becomes its IPv4 address.
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text);
  // From the kernel. The mapped form is unmapped likewise; an unknown family gives no address.
  static SocketAddress From(const sockaddr* address);

  int family() const { return storage_.any.sa_family; }
  uint16_t port() const;         // 0 for a UNIX path.
  void set_port(uint16_t port);  // Without effect on a UNIX path.
  bool IsLoopback() const;       // 127.0.0.0/8 or ::1.

  const sockaddr* get() const { return &storage_.any; }
  socklen_t length() const;

  std::string ToString() const;  // The form Parse() takes.
  std::string IpString() const;  // Without the port; empty for a UNIX path.
  std::string UnixPath() const;  // Empty for an IP address and for an unnamed socket.

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);
  template <typename H>
  friend H AbslHashValue(H h, const SocketAddress& address) {
    return H::combine_contiguous(
        std::move(h), reinterpret_cast<const unsigned char*>(&address.storage_), address.length());
  }

 private:
  // Bytes that say nothing (padding, flow label) are always zero, so equal addresses are equal
  // bytes.
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  };

  void SetIpv4(in_addr ip, uint16_t port);
  void SetIpv6(const in6_addr& ip, uint32_t scope, uint16_t port);

  Storage storage_;
};

}  // namespace kith::base
