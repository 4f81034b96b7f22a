// IP addresses and blocks of them as text, one character a bit after one for the family, so that a
// block is a prefix. An IPv4-mapped IPv6 address is its IPv4 address.
// Threads: any, pure. Owns: nothing. Errors: INVALID_ARGUMENT that quotes the block.
#pragma once

#include <array>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/base/socket_address.h"

namespace kith::policy {

using AddressBuffer = std::array<char, 129>;

// The bits of an address, in `buffer`; empty when it is no IP address.
absl::string_view AddressBits(const base::SocketAddress& address, AddressBuffer& buffer);

// The first bits of "10.0.0.0/8", "2001:db8::/32" or a single address. Bits beyond the prefix
// length are passed over.
absl::StatusOr<std::string> ParseIpBlock(absl::string_view text);

}  // namespace kith::policy
