#include "source/jwt/token.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace kith::jwt {
namespace {

std::string TokenOf(absl::string_view header, absl::string_view payload) {
  return absl::StrCat(absl::WebSafeBase64Escape(header), ".", absl::WebSafeBase64Escape(payload),
                      ".c2ln");
}

TEST(TokenTest, TakesTheThreePartsApart) {
  const std::string text = TokenOf(R"({"alg":"RS256","kid":"k"})", R"({"sub":"me","n":[1]})");
  const auto token = ParseToken(text);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->algorithm, "RS256");
  EXPECT_EQ(token->key_id, "k");
  EXPECT_EQ(token->claims["sub"], "me");
  EXPECT_EQ(token->signature, "sig");
  EXPECT_EQ(absl::StrCat(token->signed_part, ".c2ln"), text);
}

TEST(TokenTest, RefusesWhatIsNotThreeParts) {
  for (const absl::string_view text : {"", ".", "..", "a.b", "e30.e30", "e30.e30.c2ln.e30"}) {
    EXPECT_FALSE(ParseToken(text).ok()) << text;
  }
}

TEST(TokenTest, RefusesBytesThatAreNotCanonicalBase64Url) {
  std::string bytes;
  EXPECT_TRUE(DecodeBase64Url("YQ", bytes));
  for (const absl::string_view text : {"YQ==", "YR", "Y", "Y+", "Y/", "Y Q", "YQ\n"}) {
    EXPECT_FALSE(DecodeBase64Url(text, bytes)) << text;
  }
  EXPECT_FALSE(ParseToken("e30.e31.c2ln").ok());
}

TEST(TokenTest, RefusesPartsThatAreNoObjects) {
  for (const absl::string_view part : {"[]", "1", "null", "\"a\"", "{", "{}{}", "{\"a\":1,}"}) {
    EXPECT_FALSE(ParseToken(TokenOf("{}", part)).ok()) << part;
    EXPECT_FALSE(ParseToken(TokenOf(part, "{}")).ok()) << part;
  }
}

TEST(TokenTest, RefusesANameThatOccursTwice) {
  EXPECT_FALSE(ParseToken(TokenOf("{}", R"({"sub":"me","sub":"you"})")).ok());
  EXPECT_FALSE(ParseToken(TokenOf(R"({"alg":"none","alg":"RS256"})", "{}")).ok());
  EXPECT_FALSE(ParseToken(TokenOf("{}", R"({"a":{"b":1,"b":2}})")).ok());
  EXPECT_TRUE(ParseToken(TokenOf("{}", R"({"a":{"b":1},"c":{"b":2},"b":3})")).ok());
}

TEST(TokenTest, RefusesTooDeepTooManyAndTooLong) {
  EXPECT_FALSE(ParseToken(TokenOf("{}", absl::StrCat(R"({"a":)", std::string(40, '['),
                                                     std::string(40, ']'), "}")))
                   .ok());
  std::string many = R"({"a":[0)";
  for (int i = 0; i < 3000; ++i) many += ",0";
  EXPECT_FALSE(ParseToken(TokenOf("{}", many + "]}")).ok());
  EXPECT_FALSE(
      ParseToken(TokenOf("{}", absl::StrCat(R"({"a":")", std::string(20000, 'a'), "\"}"))).ok());
}

TEST(TokenTest, RefusesExtensionsItDoesNotKnow) {
  EXPECT_FALSE(ParseToken(TokenOf(R"({"alg":"RS256","crit":["exp"]})", "{}")).ok());
  EXPECT_FALSE(ParseToken(TokenOf(R"({"alg":"RS256","b64":false})", "{}")).ok());
  EXPECT_FALSE(ParseToken(TokenOf(R"({"alg":["RS256"]})", "{}")).ok());
}

}  // namespace
}  // namespace kith::jwt
