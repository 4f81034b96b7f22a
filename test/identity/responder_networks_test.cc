// A certificate cannot send requests into the sidecar's own surroundings.
#include "source/identity/responder_networks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::identity {
namespace {

absl::Status Check(const ResponderNetworks& networks, const std::string& address) {
  return networks.Check(base::SocketAddress::Parse(address).value());
}

TEST(ResponderNetworksTest, AllowsPublicAddressesOnly) {
  const ResponderNetworks networks;
  for (const char* address : {"93.184.216.34:80", "8.8.8.8:8080", "172.32.0.1:80",
                              "[2606:2800:220:1::1]:80", "[::ffff:8.8.8.8]:80"}) {
    EXPECT_TRUE(Check(networks, address).ok()) << address;
  }
  for (const char* address : {"127.0.0.1:80",
                              "127.9.9.9:80",
                              "0.0.0.0:80",
                              "10.1.2.3:80",
                              "172.16.0.1:80",
                              "172.31.255.255:80",
                              "192.168.1.1:80",
                              "169.254.169.254:80",
                              "100.64.0.1:80",
                              "224.0.0.1:80",
                              "255.255.255.255:80",
                              "[::1]:80",
                              "[::]:80",
                              "[fe80::1]:80",
                              "[fd00:ec2::254]:80",
                              "[ff02::1]:80",
                              "[::ffff:127.0.0.1]:80",
                              "[::ffff:10.0.0.1]:80",
                              "[64:ff9b::a9fe:a9fe]:80",
                              "[2002:7f00:1::]:80",
                              "[::7f00:1]:80",
                              "unix:/run/x"}) {
    EXPECT_EQ(Check(networks, address).code(), absl::StatusCode::kPermissionDenied) << address;
  }
  EXPECT_THAT(std::string(Check(networks, "10.1.2.3:80").message()),
              testing::HasSubstr("10.1.2.3:80 is no public address"));
}

TEST(ResponderNetworksTest, AllowsTheNetworksThatAreNamed) {
  const auto networks = ResponderNetworks::Create({"10.20.0.0/16", "fd00:1::/32", "127.0.0.1"});
  ASSERT_TRUE(networks.ok()) << networks.status();
  for (const char* address : {"10.20.3.4:80", "[fd00:1::7]:80", "127.0.0.1:888", "8.8.8.8:80"}) {
    EXPECT_TRUE(Check(*networks, address).ok()) << address;
  }
  for (const char* address : {"10.21.0.1:80", "[fd00:2::7]:80", "127.0.0.2:80"}) {
    EXPECT_FALSE(Check(*networks, address).ok()) << address;
  }
  EXPECT_THAT(std::string(ResponderNetworks::Create({"10.0.0.0/99"}).status().message()),
              testing::HasSubstr("10.0.0.0/99"));
}

}  // namespace
}  // namespace kith::identity
