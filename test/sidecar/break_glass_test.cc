#include "source/sidecar/break_glass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/run_until.h"
#include "test/support/temporary_ca.h"

namespace kith::sidecar {
namespace {

using testing::HasSubstr;

class BreakGlassTest : public testing::Test {
 protected:
  BreakGlassTest() {
    const test::Credential leaf = ca_.Leaf("spiffe://cluster.local/ns/demo/sa/backend");
    EXPECT_TRUE(manager_
                    ->OnIdentity(*tls::Identity::Create(leaf.chain_pem,
                                                        *tls::PrivateKey::FromPem(leaf.key_pem)))
                    .ok());
  }
  absl::Time Until() const { return manager_->context()->rules().break_glass_until; }
  std::string Started(BreakGlass& glass, absl::Duration time, const std::string& reason = "why") {
    return std::string(glass.Start({time, reason, "alice (uid 7)"}).message());
  }

  const std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  telemetry::Metrics metrics_;
  telemetry::Shard& shard_ = metrics_.AddShard();
  const test::TemporaryCa ca_;
  const std::unique_ptr<identity::Manager> manager_ = *identity::Manager::Create(
      {.trust_domain = "cluster.local", .roots_pem = ca_.root_pem(), .rules = {}});
};

TEST_F(BreakGlassTest, IsRefusedUnlessTheBootstrapPermitsIt) {
  BreakGlass glass(*loop_, *manager_, {});
  EXPECT_THAT(Started(glass, absl::Minutes(5)), HasSubstr("the bootstrap does not permit it"));
  EXPECT_FALSE(glass.active());
  EXPECT_THAT(glass.Json(), HasSubstr("\"permitted\":false,\"active\":false"));
}

TEST_F(BreakGlassTest, IsRefusedWhereATrustPolicyForbidsIt) {
  BreakGlass glass(*loop_, *manager_, {.permitted = true});
  tls::TrustRules rules;
  rules.break_glass_allowed = false;
  ASSERT_TRUE(manager_->SetRules(rules).ok());
  EXPECT_THAT(Started(glass, absl::Minutes(5)), HasSubstr("a TrustPolicy forbids it"));
}

TEST_F(BreakGlassTest, AsksForAReasonAndATimeWithinItsLimit) {
  BreakGlass glass(*loop_, *manager_, {.permitted = true, .longest = absl::Hours(1)});
  EXPECT_THAT(Started(glass, absl::Hours(2)), HasSubstr("must be 1 s to 1h"));
  EXPECT_THAT(Started(glass, absl::ZeroDuration()), HasSubstr("must be 1 s to 1h"));
  EXPECT_THAT(Started(glass, absl::InfiniteDuration()), HasSubstr("must be 1 s to 1h"));
  EXPECT_THAT(Started(glass, absl::Minutes(5), ""), HasSubstr("a reason is required"));
  EXPECT_FALSE(glass.active());
}

TEST_F(BreakGlassTest, LastsUntilItIsEndedAndSaysWhoStartedIt) {
  BreakGlass glass(*loop_, *manager_, {.permitted = true, .metrics = &shard_});
  EXPECT_EQ(Started(glass, absl::Minutes(30)), "");
  EXPECT_GT(Until(), absl::Now() + absl::Minutes(29));
  EXPECT_LT(manager_->context()->rules().peer.ended_since, absl::Now() - absl::Hours(23));
  EXPECT_THAT(glass.Json(), HasSubstr("\"who\":\"alice (uid 7)\",\"reason\":\"why\""));
  EXPECT_THAT(metrics_.Text(), HasSubstr("kith_break_glass_active 1"));
  glass.End("bob");
  EXPECT_EQ(Until(), absl::InfinitePast());
  EXPECT_EQ(manager_->context()->rules().peer.ended_since, absl::InfiniteFuture());
  EXPECT_THAT(metrics_.Text(), HasSubstr("kith_break_glass_active 0"));
}

TEST_F(BreakGlassTest, EndsByItself) {
  BreakGlass glass(*loop_, *manager_, {.permitted = true});
  EXPECT_EQ(Started(glass, absl::Seconds(1)), "");
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return !glass.active(); }));
  EXPECT_EQ(Until(), absl::InfinitePast());
}

}  // namespace
}  // namespace kith::sidecar
