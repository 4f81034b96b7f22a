#include "source/policy/ip_block.h"

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace kith::policy {
namespace {

constexpr char kFamily4 = '4', kFamily6 = '6';
constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

char* WriteBits(const uint8_t* bytes, size_t size, char* out) {
  for (size_t i = 0; i < size; ++i) {
    for (int bit = 7; bit >= 0; --bit) *out++ = (bytes[i] >> bit) & 1 ? '1' : '0';
  }
  return out;
}

absl::string_view Write(char family, const uint8_t* bytes, size_t size, AddressBuffer& buffer) {
  buffer[0] = family;
  const char* const end = WriteBits(bytes, size, buffer.data() + 1);
  return {buffer.data(), static_cast<size_t>(end - buffer.data())};
}

absl::Status Invalid(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\" is no IP address or block; write 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32"));
}

// -1 when it is none.
int PrefixLength(absl::string_view text, int max) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return -1;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return -1;
  }
  int length;
  return absl::SimpleAtoi(text, &length) && length <= max ? length : -1;
}

}  // namespace

absl::string_view AddressBits(const base::SocketAddress& address, AddressBuffer& buffer) {
  if (address.family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address.get());
    return Write(kFamily4, reinterpret_cast<const uint8_t*>(&v4->sin_addr), 4, buffer);
  }
  if (address.family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address.get());
    return Write(kFamily6, v6->sin6_addr.s6_addr, 16, buffer);
  }
  return {};
}

absl::StatusOr<std::string> ParseIpBlock(absl::string_view text) {
  const size_t slash = text.find('/');
  const std::string ip(text.substr(0, slash));
  AddressBuffer buffer;
  uint8_t bytes[16];
  size_t size = 4;
  size_t mapped_bits = 0;
  if (inet_pton(AF_INET, ip.c_str(), bytes) != 1) {
    if (ip.find('\0') != std::string::npos || inet_pton(AF_INET6, ip.c_str(), bytes) != 1) {
      return Invalid(text);
    }
    size = 16;
  }
  int length = static_cast<int>(size) * 8;
  if (slash != absl::string_view::npos) {
    length = PrefixLength(text.substr(slash + 1), length);
    if (length < 0) return Invalid(text);
  }
  if (size == 16 && length >= 96 && std::memcmp(bytes, kMapped, sizeof kMapped) == 0) {
    mapped_bits = 96;
    std::memmove(bytes, bytes + 12, 4);
    size = 4;
  }
  const char family = size == 4 ? kFamily4 : kFamily6;
  const absl::string_view bits = Write(family, bytes, size, buffer);
  return std::string(bits.substr(0, 1 + static_cast<size_t>(length) - mapped_bits));
}

}  // namespace kith::policy
