#include "source/http/url.h"

#include <gtest/gtest.h>

namespace kith::http {
namespace {

TEST(UrlTest, IsTakenApart) {
  const auto url = ParseUrl("HTTPS://IdP.example:8443/a/b?c=d#e");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "idp.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(ParseUrl("https://[::1]/x")->host, "::1");
  EXPECT_EQ(ParseUrl("http://a")->port, 80);
  EXPECT_EQ(ParseUrl("https://a?b")->target, "/?b");
  for (const absl::string_view text :
       {"", "idp", "ftp://idp/", "https://", "https:///x", "https://a:0/", "https://a:x/",
        "https://user@idp/", "https://idp/a b", "https://idp/\r\nHost: x", "https://[::1/x"}) {
    EXPECT_FALSE(ParseUrl(text).ok()) << text;
  }
}

}  // namespace
}  // namespace kith::http
