// Tokens made here are believed; forgeries of every kind are not, and each for its own reason.
#include "source/jwt/token.h"

#include <gmock/gmock.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "source/controlplane/ca/token_issuer.h"
#include "source/controlplane/ca/token_verifier.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenTest : public CaFixture {
 protected:
  TokenTest() { LoadKey(); }

  void LoadKey() {
    auto key = TokenKey::LoadOrCreate(*state_);
    ASSERT_TRUE(key.ok()) << key.status();
    key_ = *key;
  }
  TokenIssuer MakeIssuer() {
    TokenIssuer::Options options;
    options.key = key_;
    options.audit = audit_.get();
    options.clock = &clock_;
    return TokenIssuer(options);
  }
  JwtVerifier MakeVerifier() { return JwtVerifier({OwnIssuer(*key_)}, &clock_); }

  std::string Good() {
    auto token = MakeIssuer().Create("demo", "frontend", absl::Hours(1), "test");
    EXPECT_TRUE(token.ok()) << token.status();
    return token->token;
  }
  int64_t Seconds(absl::Duration from_now) { return absl::ToUnixSeconds(clock_.Now() + from_now); }

  json Header() { return {{"alg", "ES256"}, {"kid", key_->id()}}; }
  json Claims() {
    return {{"iss", "kith"},
            {"aud", "kith-ca"},
            {"sub", "system:serviceaccount:demo:frontend"},
            {"exp", Seconds(absl::Hours(1))}};
  }
  // Signed with the right key, so that only what is changed is wrong.
  std::string Signed(const std::string& header, const std::string& claims) {
    std::string part =
        absl::StrCat(absl::WebSafeBase64Escape(header), ".", absl::WebSafeBase64Escape(claims));
    return absl::StrCat(part, ".", absl::WebSafeBase64Escape(*key_->Sign(part)));
  }
  std::string Signed(const json& header, const json& claims) {
    return Signed(header.dump(), claims.dump());
  }

  Refusal Check(const std::string& token) {
    absl::Status status = MakeVerifier().Verify(token).status();
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
      if (token.size() > 20) {
        EXPECT_THAT(status.message(), Not(HasSubstr(token.substr(token.size() - 20))));
      }
    }
    return RefusalOf(status);
  }
  Refusal CheckClaims(const char* claim, const json& value) {
    json claims = Claims();
    claims[claim] = value;
    return Check(Signed(Header(), claims));
  }

  std::shared_ptr<const TokenKey> key_;
};

TEST_F(TokenTest, BelievesTheTokensItMakes) {
  auto token = MakeIssuer().Create("demo", "frontend", absl::Hours(1), "test");
  ASSERT_TRUE(token.ok()) << token.status();
  auto caller = MakeVerifier().Verify(token->token);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->name_space, "demo");
  EXPECT_EQ(caller->service_account, "frontend");
  EXPECT_EQ(caller->token_id, token->token_id);
  EXPECT_EQ(caller->expires, clock_.Now() + absl::Hours(1));
  EXPECT_EQ(caller->Id("example.org")->text(), "spiffe://example.org/ns/demo/sa/frontend");
}

TEST_F(TokenTest, CarriesKubernetesClaims) {
  std::vector<std::string> parts = absl::StrSplit(Good(), '.');
  std::string text;
  ASSERT_TRUE(jwt::DecodeBase64Url(parts[0], text));
  EXPECT_EQ(json::parse(text), (json{{"alg", "ES256"}, {"kid", key_->id()}, {"typ", "JWT"}}));
  ASSERT_TRUE(jwt::DecodeBase64Url(parts[1], text));
  json claims = json::parse(text);
  EXPECT_EQ(claims["iss"], "kith");
  EXPECT_EQ(claims["aud"], json::array({"kith-ca"}));
  EXPECT_EQ(claims["sub"], "system:serviceaccount:demo:frontend");
  EXPECT_EQ(claims["iat"], Seconds(absl::ZeroDuration()));
  EXPECT_EQ(claims["nbf"], Seconds(absl::ZeroDuration()));
  EXPECT_EQ(claims["exp"], Seconds(absl::Hours(1)));
  EXPECT_EQ(claims["jti"].get<std::string>().size(), 32u);
  EXPECT_EQ(claims["kubernetes.io"],
            (json{{"namespace", "demo"}, {"serviceaccount", {{"name", "frontend"}}}}));
}

TEST_F(TokenTest, KeepsItsKeyAcrossRestartsAndForItself) {
  std::string token = Good();
  struct stat facts;
  ASSERT_EQ(::stat(directory_.File("state/token-key.pem").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  key_.reset();
  Close();
  Open();
  LoadKey();
  EXPECT_EQ(Check(token), Refusal::kNone);
}

TEST_F(TokenTest, SaysWhatToDoAboutABrokenKey) {
  for (const std::string& content :
       {std::string("garbage"), test::MakeKeyPem(test::KeyType::kP384)}) {
    directory_.Write("state/token-key.pem", content);
    EXPECT_THAT(TokenKey::LoadOrCreate(*state_).status().message(),
                ::testing::AllOf(HasSubstr("token-key.pem"), HasSubstr("restore it")));
  }
}

TEST_F(TokenTest, RecordsTheTokensItMakesWithoutThem) {
  auto token = MakeIssuer().Create("demo", "frontend", absl::Hours(1), "admin socket");
  auto lines = AuditLines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["event"], "token");
  EXPECT_EQ(lines[0]["spiffe_id"], "spiffe://cluster.local/ns/demo/sa/frontend");
  EXPECT_EQ(lines[0]["token_id"], token->token_id);
  EXPECT_EQ(lines[0]["peer"], "admin socket");
  EXPECT_THAT(directory_.Read("state/audit.jsonl"), Not(HasSubstr(token->token.substr(0, 20))));
}

TEST_F(TokenTest, MakesNoTokenThatItCannotRecord) {
  FullDisk full(1);
  EXPECT_EQ(RefusalOf(MakeIssuer().Create("demo", "frontend", absl::Hours(1), "").status()),
            Refusal::kAuditUnavailable);
}

TEST_F(TokenTest, RefusesToMakeWhatCannotBe) {
  TokenIssuer issuer = MakeIssuer();
  for (const char* name : {"", "..", "a b", "a/b", "a:b", "a%2fb", "\xff"}) {
    EXPECT_EQ(issuer.Create(name, "x", absl::Hours(1), "").status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
    EXPECT_FALSE(issuer.Create("x", name, absl::Hours(1), "").ok()) << name;
  }
  EXPECT_FALSE(issuer.Create(std::string(254, 'a'), "x", absl::Hours(1), "").ok());
  EXPECT_FALSE(issuer.Create("a", "b", absl::ZeroDuration(), "").ok());
  EXPECT_THAT(issuer.Create("a", "b", absl::Hours(24 * 366), "").status().message(),
              HasSubstr("tokens.max_ttl"));
  EXPECT_TRUE(AuditLines().empty());
}

TEST_F(TokenTest, AcceptsTheHandMadeGoodOne) {
  // The base of the forgeries below: were it refused, they would prove nothing.
  EXPECT_EQ(Check(Signed(Header(), Claims())), Refusal::kNone);
  EXPECT_EQ(CheckClaims("aud", json::array({"other", "kith-ca"})), Refusal::kNone);
}

TEST_F(TokenTest, LetsNoTokenChooseItsAlgorithm) {
  std::string claims = absl::WebSafeBase64Escape(Claims().dump());
  for (const char* algorithm :
       {"none", "None", "NONE", "HS256", "HS512", "RS256", "ES384", "EdDSA", "es256", ""}) {
    json header = {{"alg", algorithm}, {"kid", key_->id()}};
    EXPECT_EQ(Check(Signed(header, Claims())), Refusal::kTokenAlgorithm) << algorithm;
    EXPECT_EQ(Check(absl::StrCat(absl::WebSafeBase64Escape(header.dump()), ".", claims, ".")),
              Refusal::kTokenAlgorithm)
        << algorithm;
  }
  EXPECT_EQ(Check(Signed(json{{"kid", key_->id()}}, Claims())), Refusal::kTokenAlgorithm);
  EXPECT_EQ(Check(Signed(json{{"alg", {"ES256"}}, {"kid", key_->id()}}, Claims())),
            Refusal::kTokenMalformed);
}

TEST_F(TokenTest, RefusesAnHmacWithThePublicKey) {
  std::string secret = key_->id();
  std::string part =
      absl::StrCat(absl::WebSafeBase64Escape(json{{"alg", "HS256"}, {"kid", key_->id()}}.dump()),
                   ".", absl::WebSafeBase64Escape(Claims().dump()));
  uint8_t mac[SHA256_DIGEST_LENGTH];
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), secret.size(), reinterpret_cast<const uint8_t*>(part.data()),
       part.size(), mac, &size);
  EXPECT_EQ(Check(absl::StrCat(
                part, ".",
                absl::WebSafeBase64Escape(absl::string_view(reinterpret_cast<char*>(mac), size)))),
            Refusal::kTokenAlgorithm);
}

TEST_F(TokenTest, RefusesForeignKeysAndSignatures) {
  json header = Header();
  header.erase("kid");
  EXPECT_EQ(Check(Signed(header, Claims())), Refusal::kTokenUnknownKey);
  header["kid"] = "other";
  EXPECT_EQ(Check(Signed(header, Claims())), Refusal::kTokenUnknownKey);
  header["kid"] = 7;
  EXPECT_EQ(Check(Signed(header, Claims())), Refusal::kTokenMalformed);

  // Another control plane's key under this one's name.
  test::TemporaryDirectory elsewhere;
  auto other_state = StateDirectory::Open(elsewhere.File("state"));
  auto other = TokenKey::LoadOrCreate(**other_state);
  ASSERT_NE((*other)->id(), key_->id());
  std::string part = absl::StrCat(absl::WebSafeBase64Escape(Header().dump()), ".",
                                  absl::WebSafeBase64Escape(Claims().dump()));
  auto with = [&](const std::string& signature) {
    return Check(absl::StrCat(part, ".", absl::WebSafeBase64Escape(signature)));
  };
  EXPECT_EQ(with(*(*other)->Sign(part)), Refusal::kTokenSignature);
  EXPECT_EQ(with(""), Refusal::kTokenSignature);
  EXPECT_EQ(with(std::string(64, '\0')), Refusal::kTokenSignature);
  EXPECT_EQ(with(std::string(64, '\xff')), Refusal::kTokenSignature);
  EXPECT_EQ(with(key_->Sign(part)->substr(0, 63)), Refusal::kTokenSignature);
  EXPECT_EQ(with(*key_->Sign(part) + "x"), Refusal::kTokenSignature);
}

TEST_F(TokenTest, RefusesAnyChangedCharacter) {
  std::string good = Good();
  for (size_t at = 0; at < good.size(); at++) {
    std::string changed = good;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_NE(Check(changed), Refusal::kNone) << at;
  }
}

TEST_F(TokenTest, RefusesForeignIssuersAndAudiences) {
  EXPECT_EQ(CheckClaims("iss", "https://elsewhere"), Refusal::kTokenIssuer);
  EXPECT_EQ(CheckClaims("iss", nullptr), Refusal::kTokenIssuer);
  EXPECT_EQ(CheckClaims("aud", "istio-ca"), Refusal::kTokenAudience);
  EXPECT_EQ(CheckClaims("aud", json::array()), Refusal::kTokenAudience);
  EXPECT_EQ(CheckClaims("aud", json::array({1, nullptr})), Refusal::kTokenAudience);
  EXPECT_EQ(CheckClaims("aud", json{{"kith-ca", true}}), Refusal::kTokenAudience);
  json claims = Claims();
  claims.erase("aud");
  EXPECT_EQ(Check(Signed(Header(), claims)), Refusal::kTokenAudience);
}

TEST_F(TokenTest, HoldsTokensToTheirTime) {
  EXPECT_EQ(CheckClaims("exp", Seconds(absl::ZeroDuration())), Refusal::kTokenExpired);
  EXPECT_EQ(CheckClaims("exp", Seconds(-absl::Hours(1))), Refusal::kTokenExpired);
  EXPECT_EQ(CheckClaims("exp", Seconds(absl::Seconds(1))), Refusal::kNone);
  EXPECT_EQ(CheckClaims("exp", "tomorrow"), Refusal::kTokenMalformed);
  EXPECT_EQ(CheckClaims("exp", -1), Refusal::kTokenMalformed);
  EXPECT_EQ(CheckClaims("exp", 1e300), Refusal::kTokenMalformed);
  json claims = Claims();
  claims.erase("exp");
  EXPECT_EQ(Check(Signed(Header(), claims)), Refusal::kTokenExpired);
  for (const char* claim : {"nbf", "iat"}) {
    EXPECT_EQ(CheckClaims(claim, Seconds(absl::Seconds(60))), Refusal::kNone);
    EXPECT_EQ(CheckClaims(claim, Seconds(absl::Seconds(61))), Refusal::kTokenNotYetValid);
    EXPECT_EQ(CheckClaims(claim, json::array()), Refusal::kTokenMalformed);
  }
  std::string good = Good();
  clock_.Advance(absl::Hours(1) - absl::Seconds(1));
  EXPECT_EQ(Check(good), Refusal::kNone);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Check(good), Refusal::kTokenExpired);
}

TEST_F(TokenTest, TakesServiceAccountsOnly) {
  for (const char* subject : {"", "alice", "system:serviceaccount:demo",
                              "system:serviceaccount:demo:", "system:serviceaccount::frontend",
                              "system:serviceaccount:demo:front:end",
                              "system:serviceaccount:demo:a/b", "system:serviceaccount:..:a",
                              "system:serviceaccount:de mo:a", " system:serviceaccount:demo:a",
                              "system:serviceaccount:demo:a\n", "System:serviceaccount:demo:a"}) {
    EXPECT_EQ(CheckClaims("sub", subject), Refusal::kTokenSubject) << subject;
  }
  EXPECT_EQ(CheckClaims("sub", std::string("system:serviceaccount:demo:a\0b", 30)),
            Refusal::kTokenSubject);
  EXPECT_EQ(CheckClaims("sub", 5), Refusal::kTokenSubject);
  EXPECT_EQ(CheckClaims("kubernetes.io",
                        json{{"namespace", "other"}, {"serviceaccount", {{"name", "frontend"}}}}),
            Refusal::kTokenSubject);
  EXPECT_EQ(CheckClaims("kubernetes.io", json{{"namespace", "demo"}}), Refusal::kTokenSubject);
  EXPECT_EQ(CheckClaims("kubernetes.io", "x"), Refusal::kTokenSubject);
}

TEST_F(TokenTest, RefusesWhatIsNoToken) {
  std::string good = Good();
  for (const std::string& token :
       {std::string(""), std::string("."), std::string(".."), std::string("a.b"),
        std::string("a.b.c"), good + ".", "." + good, good + "=", " " + good, good + "\n",
        good.substr(0, good.rfind('.')), Signed("[]", Claims().dump()),
        Signed("{", Claims().dump()), Signed(Header().dump(), "7"),
        Signed(Header().dump(), Claims().dump() + "x"), Signed(Header().dump(), "\xff")}) {
    EXPECT_EQ(Check(token), Refusal::kTokenMalformed) << token;
  }
  json header = Header();
  header["crit"] = json::array({"exp"});
  EXPECT_EQ(Check(Signed(header, Claims())), Refusal::kTokenMalformed);
  std::string deep(5000, '[');
  EXPECT_EQ(Check(Signed(Header().dump(), absl::StrCat("{\"a\":", deep))),
            Refusal::kTokenMalformed);
  EXPECT_EQ(
      Check(Signed(Header().dump(), absl::StrCat("{\"a\":", deep, std::string(5000, ']'), "}"))),
      Refusal::kTokenMalformed);
  EXPECT_EQ(Check(std::string(jwt::kMaxTokenBytes + 1, 'a')), Refusal::kTokenTooLarge);
}

TEST_F(TokenTest, RefusesTokensCutAnywhere) {
  std::string good = Good();
  for (size_t size = 0; size < good.size(); size++) {
    EXPECT_NE(Check(good.substr(0, size)), Refusal::kNone) << size;
  }
}

TEST(TokenIssuerOptionsTest, ComeFromTheConfiguration) {
  kith::config::v1::ControlPlaneConfig config;
  auto options = TokenIssuer::Options::From(config);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->issuer, "kith");
  EXPECT_EQ(options->audience, "kith-ca");
  EXPECT_EQ(options->max_ttl, absl::Hours(8760));
  config.mutable_tokens()->set_issuer("i");
  config.mutable_tokens()->set_audience("a");
  config.mutable_tokens()->mutable_max_ttl()->set_seconds(60);
  options = TokenIssuer::Options::From(config);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->issuer, "i");
  EXPECT_EQ(options->audience, "a");
  EXPECT_EQ(options->max_ttl, absl::Minutes(1));
  config.mutable_tokens()->mutable_max_ttl()->set_seconds(-1);
  EXPECT_THAT(TokenIssuer::Options::From(config).status().message(), HasSubstr("tokens.max_ttl"));
}

}  // namespace
}  // namespace kith::controlplane
