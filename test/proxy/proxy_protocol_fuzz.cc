// Whatever addresses and identity a connection has: the header can be read back, and says them.
#include <algorithm>
#include <cstdint>
#include <string>

#include "source/base/check.h"
#include "source/proxy/proxy_protocol.h"
#include "test/support/fuzz_driver.h"

namespace kith::proxy {
namespace {

constexpr size_t kFixed = 16;  // Signature, version, family, length.

class Cutter {
 public:
  explicit Cutter(absl::string_view bytes) : rest_(bytes) {}

  absl::string_view Take(size_t size) {
    const absl::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  uint8_t Byte() {
    const absl::string_view byte = Take(1);
    return byte.empty() ? 0 : static_cast<uint8_t>(byte[0]);
  }
  absl::string_view rest() const { return rest_; }

 private:
  absl::string_view rest_;
};

base::SocketAddress AddressOf(Cutter& input) {
  if (input.Byte() % 2 == 0) {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    const absl::string_view bytes = input.Take(sizeof v4.sin_addr);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(&v4.sin_addr));
    v4.sin_port = input.Byte();
    return base::SocketAddress::From(reinterpret_cast<const sockaddr*>(&v4));
  }
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  const absl::string_view bytes = input.Take(sizeof v6.sin6_addr);
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(&v6.sin6_addr));
  v6.sin6_port = input.Byte();
  return base::SocketAddress::From(reinterpret_cast<const sockaddr*>(&v6));
}

size_t Number(absl::string_view bytes) {
  size_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

// The value of the custom field; its own length must lead exactly to the end.
std::string SpiffeIdIn(absl::string_view fields) {
  std::string found;
  Cutter input(fields);
  while (!input.rest().empty()) {
    const uint8_t type = input.Byte();
    const absl::string_view length = input.Take(2);
    KITH_CHECK(length.size() == 2, "a field has a length");
    const absl::string_view value = input.Take(Number(length));
    KITH_CHECK(value.size() == Number(length), "a field is as long as it says");
    if (type == kSpiffeIdTlv) found.assign(value.data(), value.size());
  }
  return found;
}

void RunOnce(absl::string_view bytes) {
  Cutter input(bytes);
  const base::SocketAddress source = AddressOf(input);
  const base::SocketAddress destination = AddressOf(input);
  const absl::string_view version = input.Take(input.Byte() % 8);
  // A SPIFFE ID has at most 2,048 bytes.
  const absl::string_view id = input.rest().substr(0, 2048);
  const std::string header = EncodeProxyHeader(
      {.source = source, .destination = destination, .tls_version = version, .spiffe_id = id});
  KITH_CHECK(header.size() >= kFixed, "the fixed part is there");
  KITH_CHECK(Number(header.substr(14, 2)) == header.size() - kFixed, "the length is right");
  const auto family = static_cast<uint8_t>(header[13]);
  const size_t addresses = family == 0x11 ? 12 : family == 0x21 ? 36 : 0;
  KITH_CHECK(addresses > 0 || source.family() != destination.family(), "one family is told");
  KITH_CHECK(header.size() >= kFixed + addresses, "both addresses are there");
  const std::string told = SpiffeIdIn(absl::string_view(header).substr(kFixed + addresses));
  KITH_CHECK(told == id, "the identity is what was proven");
}

}  // namespace
}  // namespace kith::proxy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kith::proxy::RunOnce({reinterpret_cast<const char*>(data), size});
  return 0;
}
