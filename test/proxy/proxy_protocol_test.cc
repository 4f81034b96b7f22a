#include "source/proxy/proxy_protocol.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace kith::proxy {
namespace {

std::string Encode(absl::string_view source, absl::string_view destination,
                   absl::string_view tls_version = "", absl::string_view spiffe_id = "") {
  return absl::BytesToHexString(
      EncodeProxyHeader({.source = *base::SocketAddress::Parse(source),
                         .destination = *base::SocketAddress::Parse(destination),
                         .tls_version = tls_version,
                         .spiffe_id = spiffe_id}));
}

constexpr char kSignature[] = "0d0a0d0a000d0a515549540a";

TEST(ProxyProtocolTest, TellsBothAddresses) {
  EXPECT_EQ(Encode("10.0.0.1:258", "10.0.0.2:80"),
            std::string(kSignature) + "2111000c" + "0a000001" + "0a000002" + "0102" + "0050");
  EXPECT_EQ(Encode("[::1]:1", "[::2]:2"), std::string(kSignature) + "21210024" +
                                              "00000000000000000000000000000001" +
                                              "00000000000000000000000000000002" + "0001" + "0002");
}

TEST(ProxyProtocolTest, LeavesOutAddressesOfTwoFamilies) {
  EXPECT_EQ(Encode("10.0.0.1:1", "[::2]:2"), std::string(kSignature) + "21000000");
}

TEST(ProxyProtocolTest, TellsTheProvenIdentityAndTheTlsVersion) {
  // PP2_TYPE_SSL: client over TLS with a certificate, verified (0), version; then the SPIFFE ID.
  EXPECT_EQ(Encode("10.0.0.1:1", "10.0.0.2:2", "T", "ab"),
            std::string(kSignature) + "2111001d" + "0a0000010a00000200010002" + "200009" + "03" +
                "00000000" + "21000154" + "e00002" + "6162");
}

TEST(ProxyProtocolTest, SaysThatNothingIsProvenWithoutACertificate) {
  EXPECT_EQ(Encode("10.0.0.1:1", "10.0.0.2:2", "T"), std::string(kSignature) + "21110018" +
                                                         "0a0000010a00000200010002" + "200009" +
                                                         "01" + "00000001" + "21000154");
}

}  // namespace
}  // namespace kith::proxy
