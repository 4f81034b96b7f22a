#include "source/base/socket_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "absl/hash/hash.h"

namespace kith::base {
namespace {

SocketAddress Parsed(absl::string_view text) {
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.ok() ? *address : SocketAddress();
}

TEST(SocketAddressTest, ReadsItsOwnForm) {
  for (const char* text : {"10.0.0.7:8080", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:8080",
                           "[::]:0", "[2001:db8::1]:443", "[fe80::1%2]:80", "unix:/run/kith.sock",
                           "unix:relative.sock", "unix:/with:colon"}) {
    EXPECT_EQ(Parsed(text).ToString(), text);
  }
}

TEST(SocketAddressTest, RefusesOtherForms) {
  for (const std::string& text : std::vector<std::string>{"",
                                                          "10.0.0.7",
                                                          "10.0.0.7:",
                                                          "10.0.0.7:65536",
                                                          "10.0.0.7:-1",
                                                          "10.0.0.7:+1",
                                                          "10.0.0.7: 1",
                                                          "10.0.0.7:1 ",
                                                          " 10.0.0.7:1",
                                                          "10.0.0.7:99999999999",
                                                          "10.0.0:80",
                                                          "010.0.0.1:80",
                                                          "10.0.0.256:80",
                                                          "localhost:80",
                                                          "example.org:80",
                                                          ":80",
                                                          "::1:80",
                                                          "[::1]",
                                                          "[::1]:",
                                                          "[::1:80",
                                                          "::1]:80",
                                                          "[10.0.0.7]:80",
                                                          "[fe80::1%]:80",
                                                          "[fe80::1%eth0]:80",
                                                          "[]:80",
                                                          "unix:",
                                                          std::string("10.0.0.7\0x:80", 13),
                                                          std::string("unix:/a\0b", 9),
                                                          "unix:/" + std::string(107, 'x')}) {
    absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(SocketAddress::Parse("unix:/" + std::string(106, 'x')).ok());
}

TEST(SocketAddressTest, UnmapsIpv4WrittenAsIpv6) {
  SocketAddress parsed = Parsed("[::ffff:10.0.0.7]:80");
  EXPECT_EQ(parsed.family(), AF_INET);
  EXPECT_EQ(parsed, Parsed("10.0.0.7:80"));

  sockaddr_in6 mapped = {};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(80);
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:10.0.0.7", &mapped.sin6_addr), 1);
  EXPECT_EQ(SocketAddress::From(reinterpret_cast<const sockaddr*>(&mapped)), parsed);
}

TEST(SocketAddressTest, ComesFromTheKernelAsItGoesIn) {
  for (const char* text :
       {"10.0.0.7:8080", "[2001:db8::1]:443", "[fe80::1%2]:80", "unix:/run/kith.sock"}) {
    SocketAddress address = Parsed(text);
    EXPECT_EQ(SocketAddress::From(address.get()), address) << text;
  }
  sockaddr_un unnamed = {};
  unnamed.sun_family = AF_UNIX;
  EXPECT_EQ(SocketAddress::From(reinterpret_cast<const sockaddr*>(&unnamed)).UnixPath(), "");
  sockaddr other = {};
  other.sa_family = AF_PACKET;
  EXPECT_EQ(SocketAddress::From(&other).family(), AF_UNSPEC);
}

TEST(SocketAddressTest, IgnoresWhatSaysNothingWhenCompared) {
  sockaddr_in6 labelled = {};
  labelled.sin6_family = AF_INET6;
  labelled.sin6_port = htons(443);
  labelled.sin6_flowinfo = htonl(7);
  ASSERT_EQ(inet_pton(AF_INET6, "2001:db8::1", &labelled.sin6_addr), 1);
  EXPECT_EQ(SocketAddress::From(reinterpret_cast<const sockaddr*>(&labelled)),
            Parsed("[2001:db8::1]:443"));
}

TEST(SocketAddressTest, TellsAddressesApart) {
  std::vector<SocketAddress> all = {
      SocketAddress(),    Parsed("10.0.0.7:80"), Parsed("10.0.0.7:81"),    Parsed("10.0.0.8:80"),
      Parsed("[::1]:80"), Parsed("[::2]:80"),    Parsed("[fe80::1%1]:80"), Parsed("[fe80::1%2]:80"),
      Parsed("unix:/a"),  Parsed("unix:/ab")};
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < all.size(); ++j) {
      EXPECT_EQ(all[i] == all[j], i == j) << all[i].ToString() << " " << all[j].ToString();
      EXPECT_EQ(absl::HashOf(all[i]) == absl::HashOf(all[j]), i == j);
    }
  }
}

TEST(SocketAddressTest, GivesAndTakesItsPort) {
  SocketAddress v4 = Parsed("10.0.0.7:80");
  v4.set_port(81);
  EXPECT_EQ(v4.ToString(), "10.0.0.7:81");
  SocketAddress v6 = Parsed("[::1]:80");
  v6.set_port(65535);
  EXPECT_EQ(v6.port(), 65535);
  SocketAddress path = Parsed("unix:/run/a");
  path.set_port(9);
  EXPECT_EQ(path.port(), 0);
  EXPECT_EQ(path.ToString(), "unix:/run/a");
}

TEST(SocketAddressTest, KnowsLoopback) {
  EXPECT_TRUE(Parsed("127.0.0.1:1").IsLoopback());
  EXPECT_TRUE(Parsed("127.9.9.9:1").IsLoopback());
  EXPECT_TRUE(Parsed("[::1]:1").IsLoopback());
  EXPECT_TRUE(Parsed("[::ffff:127.0.0.1]:1").IsLoopback());
  EXPECT_FALSE(Parsed("128.0.0.1:1").IsLoopback());
  EXPECT_FALSE(Parsed("0.0.0.0:1").IsLoopback());
  EXPECT_FALSE(Parsed("[::]:1").IsLoopback());
  EXPECT_FALSE(Parsed("unix:/a").IsLoopback());
}

TEST(SocketAddressTest, NamesTheParts) {
  EXPECT_EQ(Parsed("10.0.0.7:80").IpString(), "10.0.0.7");
  EXPECT_EQ(Parsed("[::1]:80").IpString(), "::1");
  EXPECT_EQ(Parsed("unix:/a").IpString(), "");
  EXPECT_EQ(Parsed("unix:/a").UnixPath(), "/a");
  EXPECT_EQ(Parsed("[::1]:80").UnixPath(), "");
  EXPECT_EQ(SocketAddress().ToString(), "no address");
}

}  // namespace
}  // namespace kith::base
