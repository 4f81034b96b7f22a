// IP addresses as people write them: without a port and without brackets.
// Threads: any; plain functions. Owns: nothing. Errors: INVALID_ARGUMENT that quotes the text.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/base/socket_address.h"

namespace kith::base {

// "10.0.0.7" or "fd00::7"; the port is 0.
absl::StatusOr<SocketAddress> ParseIp(absl::string_view ip);

// "10.0.0.7:80", "[fd00::7]:80", "db.example:80": an IPv6 address goes into brackets, a name stays
// (RFC 3986 section 3.2.2).
std::string JoinHostPort(absl::string_view host, uint32_t port);

// The host alone, as it stands in a URL and in a Host header.
std::string BracketHost(absl::string_view host);

}  // namespace kith::base
