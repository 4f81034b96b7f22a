#include "source/base/spiffe_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace kith::base {
namespace {

using ::testing::HasSubstr;

TEST(SpiffeIdTest, ReadsTheFormOfAMesh) {
  absl::StatusOr<SpiffeId> id = SpiffeId::Parse("spiffe://cluster.local/ns/shop/sa/front-end");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->text(), "spiffe://cluster.local/ns/shop/sa/front-end");
  EXPECT_EQ(id->trust_domain(), "cluster.local");
  EXPECT_EQ(id->path(), "/ns/shop/sa/front-end");
  EXPECT_EQ(id->principal(), "cluster.local/ns/shop/sa/front-end");
  EXPECT_EQ(id->name_space(), "shop");
  EXPECT_EQ(id->service_account(), "front-end");
}

TEST(SpiffeIdTest, AcceptsWhatTheStandardAllows) {
  for (const std::string& text : std::vector<std::string>{
           "spiffe://example.org", "spiffe://example.org/a", "spiffe://a_b-c.1/x/y/z",
           "spiffe://example.org/...", "spiffe://example.org/.a/..b",
           "spiffe://example.org/A-Z_9.z", "spiffe://127.0.0.1/host",
           "spiffe://" + std::string(255, 'd') + "/x",
           "spiffe://e/" + std::string(2048 - 11, 'p')}) {
    absl::StatusOr<SpiffeId> id = SpiffeId::Parse(text);
    EXPECT_TRUE(id.ok()) << text << ": " << id.status();
    if (id.ok()) {
      EXPECT_EQ(id->text(), text);
    }
  }
}

TEST(SpiffeIdTest, RefusesWhatTheStandardForbids) {
  for (const std::string& text : std::vector<std::string>{
           "",
           "spiffe:",
           "spiffe://",
           "spiffe:///path",
           "spiffe:/example.org/a",
           "http://example.org/a",
           "example.org/a",
           " spiffe://example.org/a",
           "spiffe://example.org/a ",
           "spiffe://example.org/",
           "spiffe://example.org/a/",
           "spiffe://example.org//a",
           "spiffe://example.org/a//b",
           "spiffe://example.org/.",
           "spiffe://example.org/a/../b",
           "spiffe://example.org/a/./b",
           "spiffe://example.org/a%2fb",
           "spiffe://example.org/%41",
           "spiffe://example%2eorg/a",
           "spiffe://example.org:443/a",
           "spiffe://user@example.org/a",
           "spiffe://user:word@example.org/a",
           "spiffe://[::1]/a",
           "spiffe://example.org/a?query",
           "spiffe://example.org/a#fragment",
           "spiffe://example.org?query",
           "spiffe://example.org/a*",
           "spiffe://*/a",
           "spiffe://example.org/\xc3\xa9",
           "spiffe://ex\xc3\xa9mple.org/a",
           "spiffe://example.org\\a",
           std::string("spiffe://example.org/a\0b", 24),
           "spiffe://" + std::string(256, 'd') + "/x",
           "spiffe://e/" + std::string(2049 - 11, 'p'),
       }) {
    absl::StatusOr<SpiffeId> id = SpiffeId::Parse(text);
    EXPECT_EQ(id.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(SpiffeIdTest, ComparesSchemeAndTrustDomainWithoutCaseAndThePathExactly) {
  absl::StatusOr<SpiffeId> upper = SpiffeId::Parse("SPIFFE://Example.ORG/Path");
  absl::StatusOr<SpiffeId> lower = SpiffeId::Parse("spiffe://example.org/Path");
  absl::StatusOr<SpiffeId> other = SpiffeId::Parse("spiffe://example.org/path");
  ASSERT_TRUE(upper.ok() && lower.ok() && other.ok());
  EXPECT_EQ(*upper, *lower);
  EXPECT_EQ(upper->text(), "spiffe://example.org/Path");
  EXPECT_FALSE(*lower == *other);
}

TEST(SpiffeIdTest, FindsNoServiceAccountInOtherPaths) {
  for (const char* path : {"", "/ns/shop", "/ns/shop/sa", "/sa/shop/ns/front", "/ns/shop/sb/front",
                           "/ns/shop/sa/front/x", "/x/ns/shop/sa/front", "/NS/shop/sa/front"}) {
    absl::StatusOr<SpiffeId> id = SpiffeId::Parse(absl::StrCat("spiffe://example.org", path));
    ASSERT_TRUE(id.ok()) << path << id.status();
    EXPECT_EQ(id->path(), path);
    EXPECT_EQ(id->name_space(), "") << path;
    EXPECT_EQ(id->service_account(), "") << path;
  }
}

TEST(SpiffeIdTest, BuildsTheFormOfAMesh) {
  absl::StatusOr<SpiffeId> id = SpiffeId::ForServiceAccount("cluster.local", "shop", "front");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->text(), "spiffe://cluster.local/ns/shop/sa/front");
}

TEST(SpiffeIdTest, RefusesNamesThatWouldBuildAnotherId) {
  EXPECT_FALSE(SpiffeId::ForServiceAccount("cluster.local/ns/admin", "shop", "front").ok());
  EXPECT_FALSE(SpiffeId::ForServiceAccount("Cluster.local", "shop", "front").ok());
  EXPECT_FALSE(SpiffeId::ForServiceAccount("cluster.local", "shop/sa/admin", "front").ok());
  EXPECT_FALSE(SpiffeId::ForServiceAccount("cluster.local", "..", "front").ok());
  EXPECT_FALSE(SpiffeId::ForServiceAccount("cluster.local", "", "front").ok());
  EXPECT_FALSE(SpiffeId::ForServiceAccount("cluster.local", "shop", "").ok());
  EXPECT_FALSE(SpiffeId::ForServiceAccount("cluster.local", "shop", "fr%6fnt").ok());
  EXPECT_FALSE(
      SpiffeId::ForServiceAccount("e", std::string(1100, 'n'), std::string(1000, 's')).ok());
}

TEST(SpiffeIdTest, NamesTheOffendingPart) {
  EXPECT_THAT(std::string(SpiffeId::Parse("spiffe://e/a/../b").status().message()),
              HasSubstr("path segment \"..\""));
  EXPECT_THAT(std::string(SpiffeId::Parse("spiffe://e:1/a").status().message()),
              HasSubstr("trust domain"));
  EXPECT_THAT(std::string(SpiffeId::Parse("https://e/a").status().message()),
              HasSubstr("spiffe://"));
  // A peer's bytes cannot break the line they are logged on.
  EXPECT_THAT(std::string(SpiffeId::Parse("spiffe://e/\n").status().message()), HasSubstr("\\n"));
}

}  // namespace
}  // namespace kith::base
