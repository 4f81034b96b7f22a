// Tokens of Kubernetes' kind from an issuer whose keys are fetched, and change.
#include "source/controlplane/issuer_keys.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "source/controlplane/ca/refusal.h"
#include "test/jwt/token_maker.h"
#include "test/support/manual_clock.h"
#include "test/support/run_until.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kIssuer[] = "https://kubernetes.default.svc.cluster.local";

class IssuerKeysTest : public ::testing::Test {
 protected:
  void Start(IssuerSettings settings) {
    settings.issuer = kIssuer;
    settings.audiences = {"kith-ca"};
    KeyKeeper::Options keeping;
    keeping.clock = &clock_;
    keeping.check = absl::Milliseconds(10);
    keeping.fetch = [this](const std::string&, absl::Duration) -> absl::StatusOr<std::string> {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++fetches_;
      return jwks_;
    };
    keys_ = std::make_unique<IssuerKeys>(*loop_, keeping, std::vector<IssuerSettings>{settings});
    verifier_ = std::make_unique<JwtVerifier>(keys_->issuers(), &clock_);
  }
  static IssuerSettings FromUrl() {
    IssuerSettings settings;
    settings.uri = "https://k/keys";
    return settings;
  }
  void Publish(const std::string& jwks) {
    const std::lock_guard<std::mutex> lock(mutex_);
    jwks_ = jwks;
  }
  int Fetches() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return fetches_;
  }

  json Claims() const {
    return {{"iss", kIssuer},
            {"aud", json::array({"kith-ca"})},
            {"sub", "system:serviceaccount:demo:backend"},
            {"exp", absl::ToUnixSeconds(clock_.Now() + absl::Hours(1))},
            {"jti", "a-token"},
            {"kubernetes.io",
             {{"namespace", "demo"},
              {"serviceaccount", {{"name", "backend"}, {"uid", "1"}}},
              {"pod", {{"name", "backend-7d5-x"}, {"uid", "2"}}}}}};
  }
  absl::StatusOr<Caller> Verify(const test::TokenMaker& maker, const json& claims) {
    return verifier_->Verify(maker.Sign("RS256", claims.dump()));
  }
  bool AwaitGood(const test::TokenMaker& maker) {
    return test::RunUntil(*loop_, [&] { return Verify(maker, Claims()).ok(); });
  }
  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }

  test::ManualClock clock_;
  test::TemporaryDirectory directory_;
  const test::TokenMaker first_{test::TokenMaker::Key::kRsa2048, "first"};
  const test::TokenMaker second_{test::TokenMaker::Key::kRsa2048, "second"};
  std::mutex mutex_;
  std::string jwks_ = first_.Jwks();
  int fetches_ = 0;
  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  std::unique_ptr<IssuerKeys> keys_;
  std::unique_ptr<JwtVerifier> verifier_;
};

TEST_F(IssuerKeysTest, TellsWhoseTokenOfKubernetesItIs) {
  Start(FromUrl());
  ASSERT_TRUE(AwaitGood(first_));
  const auto caller = Verify(first_, Claims());
  EXPECT_EQ(caller->ToString(), "demo/backend");
  EXPECT_EQ(caller->pod, "backend-7d5-x");
  EXPECT_EQ(caller->token_id, "a-token");
  EXPECT_EQ(caller->replace_token_from, absl::InfiniteFuture());
}

TEST_F(IssuerKeysTest, RefusesWhatDoesNotFit) {
  Start(FromUrl());
  ASSERT_TRUE(AwaitGood(first_));
  const auto with = [&](const char* name, const json& value) {
    json claims = Claims();
    claims[name] = value;
    return RefusalOf(Verify(first_, claims).status());
  };
  EXPECT_EQ(with("aud", "api"), Refusal::kTokenAudience);
  EXPECT_EQ(with("iss", "https://other"), Refusal::kTokenIssuer);
  EXPECT_EQ(with("sub", "system:serviceaccount:demo:other"), Refusal::kTokenSubject);
  EXPECT_EQ(with("exp", 1), Refusal::kTokenExpired);
  EXPECT_EQ(with("kith.dev/joined", true), Refusal::kNone);
  json joined = Claims();
  joined["kith.dev/joined"] = true;
  joined["iat"] = 1;
  EXPECT_EQ(Verify(first_, joined)->replace_token_from, absl::InfiniteFuture())
      << "others cannot have tokens replaced";
}

TEST_F(IssuerKeysTest, LetsAnIssuerSpeakForItsNamespacesOnly) {
  IssuerSettings settings = FromUrl();
  settings.namespaces = {"vm"};
  Start(settings);
  ASSERT_TRUE(test::RunUntil(*loop_, [&] {
    return RefusalOf(Verify(first_, Claims()).status()) == Refusal::kTokenSubject;
  }));
}

TEST_F(IssuerKeysTest, FetchesAgainForAKeyItDoesNotKnowButNotOften) {
  Start(FromUrl());
  ASSERT_TRUE(AwaitGood(first_));
  EXPECT_EQ(Fetches(), 1);
  Publish(second_.Jwks());
  EXPECT_EQ(RefusalOf(Verify(second_, Claims()).status()), Refusal::kTokenUnknownKey);
  EXPECT_FALSE(test::RunUntil(
      *loop_, [&] { return Verify(second_, Claims()).ok(); }, absl::Milliseconds(100)));
  EXPECT_EQ(Fetches(), 1) << "it was fetched just before";
  clock_.Advance(absl::Seconds(11));
  ASSERT_TRUE(AwaitGood(second_));
  EXPECT_EQ(Fetches(), 2);
  EXPECT_EQ(RefusalOf(Verify(first_, Claims()).status()), Refusal::kTokenUnknownKey);
}

TEST_F(IssuerKeysTest, ReadsKeysFromAFile) {
  IssuerSettings settings;
  settings.file = directory_.Write("keys.json", first_.Jwks());
  Start(settings);
  EXPECT_TRUE(AwaitGood(first_));
  EXPECT_EQ(Fetches(), 0);
}

TEST_F(IssuerKeysTest, TakesNothingWhileThereAreNoKeys) {
  Publish("{}");
  Start(FromUrl());
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return Fetches() > 0; }));
  const absl::Status refused = Verify(first_, Claims()).status();
  EXPECT_EQ(RefusalOf(refused), Refusal::kTokenUnknownKey);
  EXPECT_THAT(refused.message(), HasSubstr("https://k/keys"));
}

TEST(IssuerSettingsTest, NamesTheFieldThatIsWrong) {
  config::v1::ControlPlaneConfig config;
  EXPECT_TRUE(IssuerSettings::From(config)->empty());
  config::v1::TrustedIssuer& issuer = *config.mutable_tokens()->add_issuers();
  const auto error = [&] { return std::string(IssuerSettings::From(config).status().message()); };
  EXPECT_THAT(error(), HasSubstr("tokens.issuers[0].issuer"));
  issuer.set_issuer("kith");
  EXPECT_THAT(error(), HasSubstr("the own one"));
  issuer.set_issuer(kIssuer);
  EXPECT_THAT(error(), HasSubstr("jwksUri"));
  issuer.set_jwks_uri("keys");
  EXPECT_THAT(error(), HasSubstr("is no URL"));
  issuer.set_jwks_uri("https://k/keys");
  EXPECT_EQ((*IssuerSettings::From(config))[0].audiences, std::vector<std::string>{"kith-ca"});
  issuer.set_jwks_file("/keys");
  EXPECT_THAT(error(), HasSubstr("jwksUri"));
}

}  // namespace
}  // namespace kith::controlplane
