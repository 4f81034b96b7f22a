#include "source/jwt/key_set.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "source/jwt/token.h"
#include "test/jwt/token_maker.h"

namespace kith::jwt {
namespace {

using test::TokenMaker;
using Verdict = KeySet::Verdict;

Verdict Check(const KeySet& keys, absl::string_view text) {
  const auto token = ParseToken(text);
  EXPECT_TRUE(token.ok()) << token.status();
  Algorithm algorithm;
  if (!AlgorithmOf(token->algorithm, algorithm)) return Verdict::kNoKey;
  return keys.Verify(algorithm, token->key_id, token->signed_part, token->signature);
}

std::shared_ptr<const KeySet> Parsed(absl::string_view json) {
  auto keys = KeySet::Parse(json);
  EXPECT_TRUE(keys.ok()) << keys.status();
  return *keys;
}

struct Case {
  TokenMaker::Key key;
  const char* algorithm;
};

class KeySetAlgorithmTest : public testing::TestWithParam<Case> {};

TEST_P(KeySetAlgorithmTest, TakesItsOwnSignatureAndNoOther) {
  const TokenMaker maker(GetParam().key, "k");
  const auto keys = Parsed(maker.Jwks());
  const std::string token = maker.Sign(GetParam().algorithm, R"({"sub":"me"})");
  EXPECT_EQ(Check(*keys, token), Verdict::kGood);

  const TokenMaker stranger(GetParam().key, "k");
  EXPECT_EQ(Check(*keys, stranger.Sign(GetParam().algorithm, R"({"sub":"me"})")),
            Verdict::kBadSignature);
  // The payload of one token under another's signature.
  const std::string other = maker.Sign(GetParam().algorithm, R"({"sub":"you"})");
  const std::string mixed = other.substr(0, other.rfind('.')) + token.substr(token.rfind('.'));
  EXPECT_EQ(Check(*keys, mixed), Verdict::kBadSignature);
  EXPECT_EQ(Check(*keys, token.substr(0, token.rfind('.') + 1)), Verdict::kBadSignature);
}

INSTANTIATE_TEST_SUITE_P(Every, KeySetAlgorithmTest,
                         testing::Values(Case{TokenMaker::Key::kRsa2048, "RS256"},
                                         Case{TokenMaker::Key::kRsa2048, "RS384"},
                                         Case{TokenMaker::Key::kRsa2048, "RS512"},
                                         Case{TokenMaker::Key::kRsa2048, "PS256"},
                                         Case{TokenMaker::Key::kP256, "ES256"},
                                         Case{TokenMaker::Key::kP384, "ES384"},
                                         Case{TokenMaker::Key::kEd25519, "EdDSA"}),
                         [](const auto& tested) { return tested.param.algorithm; });

TEST(KeySetTest, KnowsNoneOfTheAlgorithmsThatAnybodyCanSign) {
  Algorithm algorithm;
  for (const absl::string_view name :
       {"", "none", "None", "NONE", "HS256", "HS384", "HS512", "rs256", "RS256 ", "ES512"}) {
    EXPECT_FALSE(AlgorithmOf(name, algorithm)) << name;
  }
}

TEST(KeySetTest, DoesNotTryAKeyUnderAnotherAlgorithmThanItsOwn) {
  const TokenMaker maker(TokenMaker::Key::kRsa2048, "k");
  const auto keys = Parsed(maker.Jwks(R"(,"alg":"RS256")"));
  EXPECT_EQ(Check(*keys, maker.Sign("RS256", "{}")), Verdict::kGood);
  EXPECT_EQ(Check(*keys, maker.Sign("PS256", "{}")), Verdict::kNoKey);
  EXPECT_EQ(Check(*keys, maker.Sign("ES256", "{}")), Verdict::kNoKey);
}

TEST(KeySetTest, ChoosesByKeyIdAndTriesAllWithoutOne) {
  const TokenMaker first(TokenMaker::Key::kP256, "first");
  const TokenMaker second(TokenMaker::Key::kP256, "second");
  const auto keys = Parsed(absl::StrCat(R"({"keys":[)", first.Jwk(), ",", second.Jwk(), "]}"));
  EXPECT_EQ(Check(*keys, second.Sign("ES256", "{}")), Verdict::kGood);
  EXPECT_EQ(Check(*keys, second.SignWithHeader(R"({"alg":"ES256"})", "{}")), Verdict::kGood);
  EXPECT_EQ(Check(*keys, second.SignWithHeader(R"({"alg":"ES256","kid":"first"})", "{}")),
            Verdict::kBadSignature);
  EXPECT_EQ(Check(*keys, second.SignWithHeader(R"({"alg":"ES256","kid":"third"})", "{}")),
            Verdict::kNoKey);
}

TEST(KeySetTest, LeavesOutKeysItCannotUseAndKeepsTheRest) {
  const TokenMaker good(TokenMaker::Key::kP256, "good");
  const TokenMaker weak(TokenMaker::Key::kRsa1024, "weak");
  const TokenMaker closed(TokenMaker::Key::kP256, "closed");
  const auto keys = Parsed(absl::StrCat(
      R"({"keys":[{"kty":"oct","k":"c2VjcmV0"},{"kty":"new"},7,{"kty":"EC","crv":"P-256"},)",
      weak.Jwk(), ",", closed.Jwk(R"(,"use":"enc")"), ",", closed.Jwk(R"(,"key_ops":["sign"])"),
      ",", good.Jwk(R"(,"use":"sig","key_ops":["verify"])"), "]}"));
  EXPECT_EQ(keys->size(), 1u);
  EXPECT_EQ(Check(*keys, good.Sign("ES256", "{}")), Verdict::kGood);
}

TEST(KeySetTest, RefusesASetOfNoUse) {
  for (
      const absl::string_view text :
      {"", "{", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})",
       R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})",
       // Not on the curve.
       R"({"keys":[{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}]})"}) {
    EXPECT_FALSE(KeySet::Parse(text).ok()) << text;
  }
  std::string many = R"({"keys":[)";
  for (int i = 0; i < 65; ++i) many += i == 0 ? "{}" : ",{}";
  EXPECT_FALSE(KeySet::Parse(many + "]}").ok());
  EXPECT_FALSE(KeySet::Parse(std::string(kMaxKeySetBytes + 1, ' ')).ok());
}

}  // namespace
}  // namespace kith::jwt
