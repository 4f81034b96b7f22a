#include "source/identity/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/telemetry/metrics.h"
#include "test/support/manual_clock.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_crl.h"

namespace kith::identity {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class ManagerTest : public ::testing::Test {
 protected:
  ManagerTest() {
    auto manager = Manager::Create(Options());
    EXPECT_TRUE(manager.ok()) << manager.status();
    manager_ = *std::move(manager);
    manager_->Subscribe([this](const std::shared_ptr<const tls::Context>& context) {
      published_.push_back(context);
    });
  }

  Manager::Options Options() {
    Manager::Options options;
    options.trust_domain = "cluster.local";
    options.roots_pem = ca_.root_pem();
    options.clock = &clock_;
    options.metrics = &shard_;
    return options;
  }
  std::shared_ptr<const tls::Identity> MakeIdentity(const test::TemporaryCa& ca,
                                                    absl::Duration lifetime = absl::Hours(1)) {
    test::CertificateOptions options;
    options.uri_sans = {kId};
    options.not_after = clock_.Now() + lifetime;
    const test::Credential credential = ca.Leaf(options);
    auto key = tls::PrivateKey::FromPem(credential.key_pem);
    EXPECT_TRUE(key.ok()) << key.status();
    auto identity = tls::Identity::Create(credential.chain_pem, *std::move(key));
    EXPECT_TRUE(identity.ok()) << identity.status();
    return *std::move(identity);
  }

  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  telemetry::Metrics metrics_;
  telemetry::Shard& shard_ = metrics_.AddShard();
  test::TemporaryCa ca_{{.now = clock_.Now(), .name = "first"}};
  test::TemporaryCa other_ca_{{.now = clock_.Now(), .name = "second"}};
  std::unique_ptr<Manager> manager_;
  std::vector<std::shared_ptr<const tls::Context>> published_;
};

TEST_F(ManagerTest, RefusesToStartWithoutRoots) {
  Manager::Options options = Options();
  options.roots_pem = "no certificate";
  EXPECT_FALSE(Manager::Create(options).ok());
}

TEST_F(ManagerTest, PublishesAnIdentityThatPassesItsOwnHandshake) {
  const auto identity = MakeIdentity(ca_);
  ASSERT_TRUE(manager_->OnIdentity(identity).ok());
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_EQ(&published_[0]->identity(), identity.get());
  EXPECT_EQ(published_[0]->generation(), 1u);
  EXPECT_EQ(manager_->report().generation, 1u);
  EXPECT_EQ(manager_->report().rotations, 0u);
  EXPECT_EQ(manager_->report().activated_at, clock_.Now());
}

TEST_F(ManagerTest, TellsALateSubscriberAtOnce) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  int calls = 0;
  manager_->Subscribe([&](const std::shared_ptr<const tls::Context>&) { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST_F(ManagerTest, KeepsTheOldIdentityWhenTheNewOneIsOfAForeignRoot) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  const auto kept = manager_->context();
  const absl::Status refused = manager_->OnIdentity(MakeIdentity(other_ca_));
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.message()), HasSubstr("present trust bundle"));
  EXPECT_EQ(manager_->context(), kept);
  EXPECT_EQ(published_.size(), 1u);
  EXPECT_EQ(manager_->report().generation, 1u);
}

TEST_F(ManagerTest, CountsRotationsByResultAndReason) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  manager_->OnFailure(Failure::kUnavailable, absl::UnavailableError("away"));
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("kith_identity_rotations_total{result=\"ok\",reason=\"-\","
                              "source=\"kith-ca\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("kith_identity_rotations_total{result=\"failed\",reason="
                              "\"unavailable\",source=\"kith-ca\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("kith_identity_generation 2\n"));
  EXPECT_EQ(manager_->report().rotations, 1u);
}

TEST_F(ManagerTest, ShowsTheEndOfThePresentCertificateOnly) {
  const auto first = MakeIdentity(ca_);
  const auto second = MakeIdentity(ca_, absl::Hours(2));
  ASSERT_TRUE(manager_->OnIdentity(first).ok());
  EXPECT_THAT(metrics_.Text(), HasSubstr(first->leaf().serial));
  ASSERT_TRUE(manager_->OnIdentity(second).ok());
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, Not(HasSubstr(first->leaf().serial)));
  EXPECT_THAT(text,
              HasSubstr("kith_certificate_not_after_timestamp_seconds{kind=\"leaf\",serial=\"" +
                        second->leaf().serial +
                        "\",principal=\"cluster.local/ns/demo/sa/backend\"} 1800007200\n"));
  EXPECT_THAT(text, HasSubstr("{kind=\"root\""));
}

TEST_F(ManagerTest, RemembersTheLastFailureUntilASuccess) {
  manager_->OnFailure(Failure::kToken, absl::UnauthenticatedError("expired"));
  EXPECT_EQ(manager_->report().last_failure, Failure::kToken);
  EXPECT_EQ(manager_->report().last_error, "expired");
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  EXPECT_EQ(manager_->report().last_failure, Failure::kNone);
  EXPECT_EQ(manager_->report().last_error, "");
}

TEST_F(ManagerTest, TakesANewBundleThatStillTrustsThePresentIdentity) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  const std::string both = ca_.root_pem() + other_ca_.root_pem();
  ASSERT_TRUE(manager_->SetBundle({{"cluster.local", both}}).ok());
  ASSERT_EQ(published_.size(), 2u);
  EXPECT_EQ(published_[1]->bundle().RootsOf("cluster.local").size(), 2u);
  EXPECT_EQ(published_[1]->generation(), 1u) << "the identity is the same";
  EXPECT_EQ(manager_->roots_pem(), both);
  EXPECT_TRUE(manager_->OnIdentity(MakeIdentity(other_ca_)).ok()) << "the new root is trusted now";
}

TEST_F(ManagerTest, RefusesABundleThatWouldCutOffThePresentIdentity) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  EXPECT_FALSE(manager_->SetBundle({{"cluster.local", other_ca_.root_pem()}}).ok());
  EXPECT_EQ(manager_->roots_pem(), ca_.root_pem());
  EXPECT_EQ(published_.size(), 1u);
}

TEST_F(ManagerTest, TakesAnyBundleOnceThePresentIdentityHasEnded) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  clock_.Advance(absl::Hours(2));
  EXPECT_TRUE(manager_->SetBundle({{"cluster.local", other_ca_.root_pem()}}).ok());
}

TEST_F(ManagerTest, TakesIdentityAndRefusedBundleTogetherOnceTheyFit) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  EXPECT_FALSE(manager_->WantsRenewal());
  ASSERT_FALSE(manager_->SetBundle({{"cluster.local", other_ca_.root_pem()}}).ok());
  EXPECT_TRUE(manager_->WantsRenewal());
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(other_ca_)).ok());
  EXPECT_EQ(manager_->roots_pem(), other_ca_.root_pem());
  EXPECT_EQ(published_.back()->bundle().RootsOf("cluster.local").size(), 1u);
  EXPECT_FALSE(manager_->WantsRenewal());
}

TEST_F(ManagerTest, FollowsTheSourcesBundleUntilTheControlPlaneGivesOne) {
  ASSERT_TRUE(manager_->OnBundles({{"cluster.local", other_ca_.root_pem()}}).ok());
  EXPECT_EQ(manager_->roots_pem(), other_ca_.root_pem());
  EXPECT_TRUE(manager_->OnIdentity(MakeIdentity(other_ca_)).ok());
  EXPECT_FALSE(manager_->SetBundle({{"cluster.local", ca_.root_pem()}}).ok())
      << "it would cut off the present identity";
  const std::string both = ca_.root_pem() + other_ca_.root_pem();
  ASSERT_TRUE(manager_->SetBundle({{"cluster.local", both, 9}}).ok());
  EXPECT_EQ(manager_->roots_pem(), both);
  ASSERT_TRUE(manager_->OnBundles({{"cluster.local", other_ca_.root_pem()}}).ok());
  EXPECT_EQ(manager_->roots_pem(), both) << "the control plane comes first";
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("kith_trust_bundle_generation{trust_domain=\"cluster.local\"} 9\n"));
}

TEST_F(ManagerTest, KeepsToTheSourcesBundleWhenToldTo) {
  Manager::Options options = Options();
  options.precedence = BundlePrecedence::kSourceFirst;
  options.metrics = nullptr;
  auto manager = *Manager::Create(std::move(options));
  ASSERT_TRUE(manager->OnBundles({{"cluster.local", other_ca_.root_pem()}}).ok());
  ASSERT_TRUE(
      manager->SetBundle({{"cluster.local", ca_.root_pem()}, {"b.example", ca_.root_pem()}}).ok());
  EXPECT_EQ(manager->roots_pem(), other_ca_.root_pem());
  EXPECT_EQ(manager->bundle().RootsOf("b.example").size(), 1u);
}

TEST_F(ManagerTest, WantsARenewalWhenItsIssuerIsToGo) {
  const auto identity = MakeIdentity(ca_);
  ASSERT_TRUE(manager_->OnIdentity(identity).ok());
  const std::string both = ca_.root_pem() + other_ca_.root_pem();
  const std::string issuer = identity->leaf().issuer_key_id;
  ASSERT_FALSE(issuer.empty());
  ASSERT_TRUE(manager_->SetBundle({{"cluster.local", both, 2, {"00" + issuer}}}).ok());
  EXPECT_FALSE(manager_->WantsRenewal()) << "another issuer is to go";
  ASSERT_TRUE(manager_->SetBundle({{"cluster.local", both, 3, {issuer}}}).ok());
  EXPECT_TRUE(manager_->WantsRenewal());
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(other_ca_)).ok());
  EXPECT_FALSE(manager_->WantsRenewal());
}

TEST_F(ManagerTest, KeepsItsOwnRootsWhenABundleHasOnlyOthers) {
  ASSERT_TRUE(manager_->SetBundle({{"partner.example", other_ca_.root_pem()}}).ok());
  EXPECT_EQ(manager_->roots_pem(), ca_.root_pem());
  EXPECT_EQ(manager_->bundle().RootsOf("partner.example").size(), 1u);
}

TEST_F(ManagerTest, RefusesABundleThatIsNotPem) {
  EXPECT_FALSE(manager_->SetBundle({{"cluster.local", "junk"}}).ok());
  EXPECT_EQ(manager_->roots_pem(), ca_.root_pem());
}

TEST_F(ManagerTest, PublishesRevocationListsOfFilesAndKeepsThemThroughNewBundles) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  const auto lists = tls::ParseCrls(test::MakeCrl(ca_.root(), {.now = clock_.Now()}));
  ASSERT_TRUE(lists.ok()) << lists.status();
  ASSERT_TRUE(manager_->SetCrls(*lists).ok());
  EXPECT_EQ(published_.back()->bundle().revoked().size(), 1u);
  ASSERT_TRUE(
      manager_->SetBundle({{"cluster.local", ca_.root_pem()}, {"other", other_ca_.root_pem()}})
          .ok());
  EXPECT_EQ(published_.back()->bundle().revoked().size(), 1u);
}

TEST_F(ManagerTest, WantsANewIdentityWhenItsOwnIsRevoked) {
  const test::Credential leaf = ca_.Leaf({.uri_sans = {kId}});
  ASSERT_TRUE(manager_
                  ->OnIdentity(*tls::Identity::Create(leaf.chain_pem,
                                                      *tls::PrivateKey::FromPem(leaf.key_pem)))
                  .ok());
  EXPECT_FALSE(manager_->WantsRenewal());
  const std::string list = test::MakeCrl(ca_.root(), {.revoked = {leaf}, .now = clock_.Now()});
  ASSERT_TRUE(
      manager_
          ->SetBundle(
              {{.trust_domain = "cluster.local", .roots_pem = ca_.root_pem(), .crls = {list}}})
          .ok());
  EXPECT_TRUE(manager_->WantsRenewal());
}

TEST_F(ManagerTest, PublishesNewRulesOnceAndABreakGlassUnlessForbidden) {
  ASSERT_TRUE(manager_->OnIdentity(MakeIdentity(ca_)).ok());
  tls::TrustRules rules;
  rules.peer.revocation = tls::RevocationMode::kHard;
  ASSERT_TRUE(manager_->SetRules(rules).ok());
  ASSERT_TRUE(manager_->SetRules(rules).ok());
  ASSERT_EQ(published_.size(), 2u);
  EXPECT_EQ(published_.back()->rules(), rules);

  const absl::Time until = clock_.Now() + absl::Hours(1);
  ASSERT_TRUE(manager_->SetBreakGlass(until, clock_.Now()).ok());
  EXPECT_EQ(published_.back()->rules().break_glass_until, until);
  EXPECT_EQ(published_.back()->rules().peer.ended_since, clock_.Now());
  rules.break_glass_allowed = false;
  ASSERT_TRUE(manager_->SetRules(rules).ok());
  EXPECT_EQ(published_.back()->rules(), rules);
}

}  // namespace
}  // namespace kith::identity
