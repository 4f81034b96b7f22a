#include "source/proxy/proxy_protocol.h"

#include <netinet/in.h>

namespace kith::proxy {
namespace {

constexpr absl::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr char kVersion2Proxy = 0x21;
constexpr char kUnspecified = 0x00;
constexpr char kTcpOverIpv4 = 0x11;
constexpr char kTcpOverIpv6 = 0x21;

constexpr uint8_t kSslTlv = 0x20;
constexpr uint8_t kSslVersionTlv = 0x21;
constexpr char kClientSsl = 0x01;
constexpr char kClientCertificate = 0x02;

void Append16(uint16_t number, std::string& out) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xff);
}

// A SPIFFE ID has 2048 bytes at most, so no length exceeds its field.
void AppendTlv(uint8_t type, absl::string_view value, std::string& out) {
  out += static_cast<char>(type);
  Append16(static_cast<uint16_t>(value.size()), out);
  out.append(value.data(), value.size());
}

template <typename T>
void AppendBytes(const T& bytes, std::string& out) {
  out.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
}

// The addresses' block; the family byte that goes with it.
char AppendAddresses(const ProxyHeader& header, std::string& out) {
  const sockaddr* source = header.source.get();
  const sockaddr* destination = header.destination.get();
  if (source->sa_family != destination->sa_family) return kUnspecified;
  if (source->sa_family == AF_INET) {
    AppendBytes(reinterpret_cast<const sockaddr_in*>(source)->sin_addr, out);
    AppendBytes(reinterpret_cast<const sockaddr_in*>(destination)->sin_addr, out);
  } else if (source->sa_family == AF_INET6) {
    AppendBytes(reinterpret_cast<const sockaddr_in6*>(source)->sin6_addr, out);
    AppendBytes(reinterpret_cast<const sockaddr_in6*>(destination)->sin6_addr, out);
  } else {
    return kUnspecified;
  }
  Append16(header.source.port(), out);
  Append16(header.destination.port(), out);
  return source->sa_family == AF_INET ? kTcpOverIpv4 : kTcpOverIpv6;
}

}  // namespace

std::string EncodeProxyHeader(const ProxyHeader& header) {
  std::string body;
  const char family = AppendAddresses(header, body);
  if (!header.tls_version.empty()) {
    std::string ssl;
    const bool proven = !header.spiffe_id.empty();
    ssl += static_cast<char>(kClientSsl | (proven ? kClientCertificate : 0));
    ssl.append(3, '\0');
    ssl += static_cast<char>(proven ? 0 : 1);  // Zero says that the certificate was verified.
    AppendTlv(kSslVersionTlv, header.tls_version, ssl);
    AppendTlv(kSslTlv, ssl, body);
  }
  if (!header.spiffe_id.empty()) AppendTlv(kSpiffeIdTlv, header.spiffe_id, body);

  std::string encoded(kSignature);
  encoded += kVersion2Proxy;
  encoded += family;
  Append16(static_cast<uint16_t>(body.size()), encoded);
  return encoded + body;
}

}  // namespace kith::proxy
