// The header of PROXY protocol v2 that a TCP application which asks for it gets before the client's
// first byte: the addresses of the connection, and the identity its peer has proven.
// Threads: any; pure. Owns: nothing.
// Errors: none; addresses that are not of one family are left out (AF_UNSPEC), as the protocol has
// it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "source/base/socket_address.h"

namespace kith::proxy {

// Type-length-values: PP2_TYPE_SSL holds the TLS version, and this one of the range for custom use
// the peer's SPIFFE ID.
inline constexpr uint8_t kSpiffeIdTlv = 0xE0;

struct ProxyHeader {
  const base::SocketAddress& source;
  const base::SocketAddress& destination;
  absl::string_view tls_version;  // Empty on plaintext.
  absl::string_view spiffe_id;    // Empty when the peer has proven none.
};

std::string EncodeProxyHeader(const ProxyHeader& header);

}  // namespace kith::proxy
