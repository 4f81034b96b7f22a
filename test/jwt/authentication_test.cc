#include "source/jwt/authentication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kith/security/v1/request_authentication.pb.h"
#include "source/config/document.h"
#include "test/jwt/token_maker.h"

namespace kith::jwt {
namespace {

using security::v1::RequestAuthentication;
using test::TokenMaker;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class AuthenticationTest : public testing::Test {
 protected:
  // `rules` is a YAML list; KEYS stands for the issuer's key set.
  void Load(absl::string_view rules) {
    const std::string text = absl::StrCat(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
        "metadata: {name: r, namespace: demo}\nspec:\n  jwtRules: ",
        absl::StrReplaceAll(rules, {{"KEYS", absl::StrCat("'", maker_.Jwks(), "'")}}), "\n");
    const auto documents = config::ParseDocuments(text, "r.yaml");
    ASSERT_TRUE(documents.ok()) << documents.status();
    RequestAuthentication policy;
    const absl::Status decoded = config::Decode(documents->front(), policy);
    ASSERT_TRUE(decoded.ok()) << decoded;
    auto compiled = Authentication::Compile({&policy, 1});
    status_ = compiled.status();
    if (compiled.ok()) authentication_ = *std::move(compiled);
  }

  Authentication::Outcome Send(std::vector<http::Header> headers, absl::string_view target = "/a",
                               absl::string_view method = "GET") {
    return authentication_->Authenticate({method, target, "backend.demo", headers}, kNow);
  }
  Authentication::Outcome SendToken(absl::string_view token) {
    const std::string value = absl::StrCat("Bearer ", token);
    return Send({{"authorization", value}});
  }
  std::string Sign(absl::string_view payload) const { return maker_.Sign("ES256", payload); }

  const TokenMaker maker_{TokenMaker::Key::kP256, "k"};
  std::shared_ptr<const Authentication> authentication_;
  absl::Status status_;
};

TEST_F(AuthenticationTest, TellsWhoATokenIsFor) {
  Load("[{issuer: me, jwks: KEYS}]");
  const auto outcome = SendToken(Sign(R"({"iss":"me","sub":"alice","scope":"read write"})"));
  ASSERT_EQ(outcome.failure, Failure::kNone);
  ASSERT_NE(outcome.identity, nullptr);
  EXPECT_EQ(outcome.identity->issuer, "me");
  EXPECT_EQ(outcome.identity->subject, "alice");
  ASSERT_NE(outcome.identity->claims.payload.Find("scope"), nullptr);
  EXPECT_EQ(outcome.identity->claims.payload.Find("scope")->text, "read write");
  EXPECT_THAT(outcome.dropped, ElementsAre("Authorization"));
}

TEST_F(AuthenticationTest, LetsARequestWithoutTokenPassWithoutIdentity) {
  Load("[{issuer: me, jwks: KEYS}]");
  for (const absl::string_view value : {"Basic YTpi", "bearer x", "Bearer", "x"}) {
    const auto outcome = Send({{"authorization", value}});
    EXPECT_EQ(outcome.failure, Failure::kNone) << value;
    EXPECT_EQ(outcome.identity, nullptr);
  }
}

TEST_F(AuthenticationTest, RefusesBadTokensAndSaysWhy) {
  Load("[{issuer: me, jwks: KEYS, audiences: [shop]}]");
  const TokenMaker stranger(TokenMaker::Key::kP256, "k");
  const struct {
    std::string token;
    Failure failure;
  } cases[] = {
      {"no token at all", Failure::kBadFormat},
      {Sign(R"({"iss":"other","aud":"shop"})"), Failure::kUnknownIssuer},
      {Sign(R"({"aud":"shop"})"), Failure::kUnknownIssuer},
      {stranger.Sign("ES256", R"({"iss":"me","aud":"shop"})"), Failure::kBadSignature},
      {Sign(R"({"iss":"me","aud":"shop","exp":1799999939})"), Failure::kExpired},
      {Sign(R"({"iss":"me","aud":"shop","nbf":1800000061})"), Failure::kNotYetValid},
      {Sign(R"({"iss":"me","aud":"shop","exp":"soon"})"), Failure::kBadFormat},
      {Sign(R"({"iss":"me","aud":"other"})"), Failure::kAudience},
      {Sign(R"({"iss":"me"})"), Failure::kAudience},
      {maker_.SignWithHeader(R"({"alg":"none"})", R"({"iss":"me","aud":"shop"})"),
       Failure::kAlgorithm},
      {maker_.SignWithHeader(R"({"alg":"HS256"})", R"({"iss":"me","aud":"shop"})"),
       Failure::kAlgorithm},
      {maker_.SignWithHeader(R"({"alg":"ES256","kid":"other"})", R"({"iss":"me","aud":"shop"})"),
       Failure::kNoKey},
  };
  for (const auto& [token, failure] : cases) {
    const auto outcome = SendToken(token);
    EXPECT_EQ(outcome.failure, failure) << TextOf(outcome.failure);
    EXPECT_EQ(outcome.identity, nullptr);
    EXPECT_EQ(StatusOf(failure), failure == Failure::kAudience ? 403 : 401);
  }
  EXPECT_EQ(TextOf(Failure::kExpired), "Jwt is expired");
}

TEST_F(AuthenticationTest, AllowsClocksToDifferByAMinute) {
  Load("[{issuer: me, jwks: KEYS, audiences: [a, b]}]");
  for (const absl::string_view claims :
       {R"({"iss":"me","aud":["c","b"],"exp":1799999941})",
        R"({"iss":"me","aud":"a","nbf":1800000060})", R"({"iss":"me","aud":"a"})"}) {
    EXPECT_EQ(SendToken(Sign(claims)).failure, Failure::kNone) << claims;
  }
}

TEST_F(AuthenticationTest, ChallengesWithTheRequestsUrl) {
  Load("[{issuer: me, jwks: KEYS}]");
  const auto outcome = Send({{"authorization", "Bearer a.b.c"}}, "/a\"b?access=1");
  EXPECT_EQ(outcome.challenge, "Bearer realm=\"http://backend.demo/ab\", error=\"invalid_token\"");
}

TEST_F(AuthenticationTest, RefusesTwoDifferentTokens) {
  Load("[{issuer: me, jwks: KEYS}]");
  const std::string first = Sign(R"({"iss":"me","sub":"a"})");
  const std::string header = absl::StrCat("Bearer ", first);
  EXPECT_EQ(Send({{"authorization", header}}, "/?access_token=other").failure,
            Failure::kSeveralTokens);
  EXPECT_EQ(Send({{"authorization", header}, {"Authorization", "Bearer other"}}).failure,
            Failure::kSeveralTokens);
  EXPECT_EQ(Send({{"authorization", header}}, absl::StrCat("/?access_token=", first)).failure,
            Failure::kNone);
}

TEST_F(AuthenticationTest, FindsTokensWhereTheRuleSaysAndTakesThemOut) {
  Load(
      "[{issuer: me, jwks: KEYS, fromHeaders: [{name: x-token, prefix: 'T '}, {name: x-raw}], "
      "fromParams: [t], fromCookies: [session]}]");
  const std::string token = Sign(R"({"iss":"me","sub":"a"})");
  const std::string prefixed = absl::StrCat("T ", token);
  EXPECT_NE(Send({{"X-Token", prefixed}}).identity, nullptr);
  EXPECT_NE(Send({{"x-raw", token}}).identity, nullptr);
  EXPECT_EQ(Send({{"authorization", prefixed}}).identity, nullptr);

  auto outcome = Send({}, absl::StrCat("/p?a=%2&", "%74=", token, "&b=1"));
  EXPECT_NE(outcome.identity, nullptr);
  EXPECT_EQ(outcome.target, "/p?a=%2&b=1");
  EXPECT_EQ(Send({}, absl::StrCat("/p?t=", token)).target, "/p");

  const std::string cookie = absl::StrCat("a=1; session=\"", token, "\"; b=2");
  outcome = Send({{"Cookie", cookie}});
  EXPECT_NE(outcome.identity, nullptr);
  EXPECT_THAT(outcome.dropped, Contains("cookie"));
  EXPECT_THAT(outcome.added, ElementsAre(Pair("cookie", "a=1; b=2")));
}

TEST_F(AuthenticationTest, LeavesTheTokenInWhenAskedTo) {
  Load("[{issuer: me, jwks: KEYS, forwardOriginalToken: true}]");
  const std::string token = Sign(R"({"iss":"me"})");
  EXPECT_THAT(SendToken(token).dropped, IsEmpty());
  EXPECT_THAT(Send({}, absl::StrCat("/?access_token=", token)).target, IsEmpty());
}

TEST_F(AuthenticationTest, WritesClaimsIntoHeadersThatNoClientCanForge) {
  Load(
      "[{issuer: me, jwks: KEYS, outputPayloadToHeader: x-payload, outputClaimToHeaders: "
      "[{header: x-sub, claim: sub}, {header: x-age, claim: a.age}, {header: x-ok, claim: ok}, "
      "{header: x-list, claim: list}, {header: x-evil, claim: evil}]}]");
  EXPECT_THAT(Send({}).dropped,
              ElementsAre("x-payload", "x-sub", "x-age", "x-ok", "x-list", "x-evil"));
  const std::string payload =
      R"({"iss":"me","sub":"alice","a":{"age":7},"ok":true,"list":["x"],"evil":"a\r\nb: c"})";
  const auto outcome = SendToken(Sign(payload));
  EXPECT_THAT(outcome.added,
              ElementsAre(Pair("x-payload", absl::WebSafeBase64Escape(payload)),
                          Pair("x-sub", "alice"), Pair("x-age", "7"), Pair("x-ok", "true")));
  EXPECT_THAT(outcome.dropped, Contains("x-evil"));
}

TEST_F(AuthenticationTest, SkipsTheCheckForCorsPreflights) {
  Load("[{issuer: me, jwks: KEYS}]");
  const std::vector<http::Header> headers = {{"origin", "http://a"},
                                             {"access-control-request-method", "GET"},
                                             {"authorization", "Bearer bad"}};
  EXPECT_EQ(Send(headers, "/", "OPTIONS").failure, Failure::kNone);
  EXPECT_EQ(Send(headers, "/", "GET").failure, Failure::kBadFormat);
  EXPECT_EQ(Send({{"authorization", "Bearer bad"}}, "/", "OPTIONS").failure, Failure::kBadFormat);
}

TEST_F(AuthenticationTest, TakesATokenThatAnyOfSeveralRulesVerifies) {
  const TokenMaker other(TokenMaker::Key::kP256, "o");
  Load(absl::StrCat("[{issuer: me, jwks: KEYS}, {issuer: other, jwks: '", other.Jwks(), "'}]"));
  EXPECT_EQ(SendToken(other.Sign("ES256", R"({"iss":"other"})")).identity->issuer, "other");
  EXPECT_EQ(SendToken(Sign(R"({"iss":"me"})")).identity->issuer, "me");
  EXPECT_EQ(SendToken(Sign(R"({"iss":"other"})")).failure, Failure::kNoKey);
}

TEST_F(AuthenticationTest, RefusesTokensOfAnIssuerWhoseKeysAreMissing) {
  Load("[{issuer: me, jwksUri: 'https://idp/keys'}]");
  EXPECT_EQ(SendToken(Sign(R"({"iss":"me"})")).failure, Failure::kNoKeys);
}

TEST_F(AuthenticationTest, RefusesRulesThatMeanNothing) {
  const struct {
    absl::string_view rules;
    absl::string_view error;
  } cases[] = {
      {"[{jwks: KEYS}]", "demo/r: spec.jwtRules[0].issuer: is required"},
      {"[{issuer: me, jwks: '{}'}]", "jwks: the key set is not"},
      {"[{issuer: me, jwksUri: 'ftp://x'}]", "jwksUri: must begin"},
      {"[{issuer: me, audiences: ['']}]", "audiences[0]: must not be empty"},
      {"[{issuer: me, fromHeaders: [{prefix: x}]}]", "fromHeaders[0].name: must not be empty"},
      {"[{issuer: me, fromHeaders: [{name: 'a b'}]}]", "is no header's name"},
      {"[{issuer: me, outputPayloadToHeader: host}]", "belongs to the protocol"},
      {"[{issuer: me, outputClaimToHeaders: [{header: x}]}]", "claim: must be a claim's name"},
  };
  for (const auto& [rules, error] : cases) {
    Load(rules);
    EXPECT_THAT(std::string(status_.message()), HasSubstr(std::string(error))) << rules;
  }
}

}  // namespace
}  // namespace kith::jwt
