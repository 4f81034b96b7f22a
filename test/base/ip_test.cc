#include "source/base/ip.h"

#include <gtest/gtest.h>

namespace kith::base {
namespace {

TEST(IpTest, ReadsAddressesOfBothFamiliesWithoutAPort) {
  for (const char* text : {"10.0.0.7", "::1", "fd00::7", "fe80::1%2"}) {
    const auto address = ParseIp(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->port(), 0);
  }
  EXPECT_EQ(ParseIp("10.0.0.7")->IpString(), "10.0.0.7");
  EXPECT_EQ(ParseIp("FD00:0::7")->IpString(), "fd00::7");
}

TEST(IpTest, RefusesWhatIsMoreOrLessThanAnAddress) {
  for (const char* text : {"", "10.0.0", "10.0.0.7:80", "[::1]", "[::1]:80", "10.0.0.0/8",
                           "db.example", "unix:/run/x", "10.0.0.7 ", "::1::"}) {
    EXPECT_EQ(ParseIp(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(ParseIp("db\n").status().message(), "\"db\\n\" is no IP address");
}

TEST(IpTest, BracketsIpv6AddressesOnly) {
  EXPECT_EQ(JoinHostPort("10.0.0.7", 80), "10.0.0.7:80");
  EXPECT_EQ(JoinHostPort("fd00::7", 80), "[fd00::7]:80");
  EXPECT_EQ(JoinHostPort("db.example", 5432), "db.example:5432");
  EXPECT_EQ(BracketHost("fd00::7"), "[fd00::7]");
  EXPECT_EQ(BracketHost("db.example"), "db.example");
}

}  // namespace
}  // namespace kith::base
