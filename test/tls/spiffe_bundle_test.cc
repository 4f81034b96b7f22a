#include "source/tls/spiffe_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "test/support/temporary_ca.h"

namespace kith::tls {
namespace {

using ::testing::HasSubstr;

SpiffeBundle Bundle() {
  SpiffeBundle bundle;
  bundle.roots_pem = test::TemporaryCa().root_pem() +
                     test::TemporaryCa({.key_type = test::KeyType::kRsa2048}).root_pem() +
                     test::TemporaryCa({.key_type = test::KeyType::kP384}).root_pem();
  bundle.sequence = 7;
  bundle.refresh_hint = absl::Minutes(10);
  return bundle;
}

TEST(SpiffeBundleTest, ReadsWhatItWrites) {
  const SpiffeBundle bundle = Bundle();
  const auto text = FormatSpiffeBundle(bundle);
  ASSERT_TRUE(text.ok()) << text.status();
  const auto read = ParseSpiffeBundle(*text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->roots_pem, bundle.roots_pem);
  EXPECT_EQ(read->sequence, 7u);
  EXPECT_EQ(read->refresh_hint, absl::Minutes(10));
}

TEST(SpiffeBundleTest, DescribesEachKeyAsAJwk) {
  const auto json = nlohmann::json::parse(*FormatSpiffeBundle(Bundle()));
  ASSERT_EQ(json["keys"].size(), 3u);
  EXPECT_EQ(json["keys"][0]["use"], "x509-svid");
  EXPECT_EQ(json["keys"][0]["kty"], "EC");
  EXPECT_EQ(json["keys"][0]["crv"], "P-256");
  EXPECT_EQ(json["keys"][0]["x"].get<std::string>().size(), 43u);
  EXPECT_EQ(json["keys"][1]["kty"], "RSA");
  EXPECT_EQ(json["keys"][1]["e"], "AQAB");
  EXPECT_EQ(json["keys"][2]["crv"], "P-384");
  EXPECT_EQ(json["keys"][2]["y"].get<std::string>().size(), 64u);
}

TEST(SpiffeBundleTest, PassesOverKeysForOtherUses) {
  const SpiffeBundle bundle = Bundle();
  auto json = nlohmann::json::parse(*FormatSpiffeBundle(bundle));
  json["keys"].push_back({{"use", "jwt-svid"}, {"kid", "a"}});
  json["keys"].push_back({{"kty", "EC"}});
  EXPECT_EQ(ParseSpiffeBundle(json.dump())->roots_pem, bundle.roots_pem);
  json["keys"] = {{{"use", "jwt-svid"}}};
  EXPECT_THAT(std::string(ParseSpiffeBundle(json.dump()).status().message()),
              HasSubstr("x509-svid"));
}

TEST(SpiffeBundleTest, RefusesWhatIsNoBundle) {
  auto json = nlohmann::json::parse(*FormatSpiffeBundle(Bundle()));
  json["keys"][0]["x5c"].push_back("AA==");
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"keys":{}})"),
        std::string(R"({"keys":[1]})"), std::string(R"({"keys":[]})"),
        std::string(R"({"keys":[{"use":"x509-svid"}]})"),
        std::string(R"({"keys":[{"use":"x509-svid","x5c":["?"]}]})"),
        std::string(R"({"keys":[{"use":"x509-svid","x5c":["AA=="]}]})"), json.dump(),
        std::string(kMaxSpiffeBundleBytes + 1, ' ')}) {
    EXPECT_FALSE(ParseSpiffeBundle(text).ok()) << text.substr(0, 200);
  }
}

}  // namespace
}  // namespace kith::tls
