// An IPv4 or IPv6 address with a port, or a UNIX socket's path; and address blocks in CIDR form.
// Threads: plain values. Owns: itself. Errors: INVALID_ARGUMENT that quotes the text.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::base {

class SocketAddress {
 public:
  SocketAddress();  // family() is AF_UNSPEC: no address.

  // "10.0.0.7:8080", "[::1]:8080", "unix:/path". Numeric only, no name is ever resolved here.
  // An IPv4-mapped IPv6 address becomes its IPv4 address.
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text);
  // From the kernel. The mapped form is unmapped likewise.
  static SocketAddress From(const sockaddr* address);

  int family() const { return storage_.ss_family; }
  uint16_t port() const;
  void set_port(uint16_t port);
  bool IsLoopback() const;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const;

  std::string ToString() const;    // The form Parse() takes.
  std::string IpString() const;    // Without the port; empty for a UNIX path.
  std::string UnixPath() const;    // Empty for an IP address.

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);
  template <typename H>
  friend H AbslHashValue(H h, const SocketAddress& address) {
    return H::combine(std::move(h), address.ToString());
  }

 private:
  sockaddr_storage storage_;
};

}  // namespace kith::base
