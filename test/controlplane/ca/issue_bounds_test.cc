#include "source/controlplane/ca/issue_bounds.h"

#include <gmock/gmock.h>

#include <vector>

#include "source/controlplane/ca/refusal.h"
#include "test/support/manual_clock.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

class IssueBoundsTest : public ::testing::Test {
 protected:
  IssueBounds::Options Options() { return {.clock = &clock_, .per_second = 10, .burst = 5}; }

  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  const Caller caller_{"demo", "backend", "", absl::InfiniteFuture()};
  const Caller other_{"demo", "other", "", absl::InfiniteFuture()};
  absl::Duration wait_;
};

TEST_F(IssueBoundsTest, LetsABurstThroughAndThenARate) {
  IssueBounds bounds(Options());
  for (int i = 0; i < 5; i++) EXPECT_TRUE(bounds.Admit(caller_, wait_).ok());
  const absl::Status refused = bounds.Admit(caller_, wait_).status();
  EXPECT_EQ(RefusalOf(refused), Refusal::kRateLimited);
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(wait_, absl::Milliseconds(100));
  EXPECT_TRUE(bounds.Admit(other_, wait_).ok());
  clock_.Advance(wait_);
  EXPECT_TRUE(bounds.Admit(caller_, wait_).ok());
  EXPECT_FALSE(bounds.Admit(caller_, wait_).ok());
  clock_.Advance(-absl::Hours(1));
  EXPECT_FALSE(bounds.Admit(caller_, wait_).ok());
}

TEST_F(IssueBoundsTest, BoundsWhatACallerHasOpen) {
  IssueBounds::Options options = Options();
  options.concurrent = 2;
  IssueBounds bounds(options);
  std::vector<IssueBounds::Ticket> tickets;
  for (int i = 0; i < 2; i++) tickets.push_back(*bounds.Admit(caller_, wait_));
  EXPECT_THAT(bounds.Admit(caller_, wait_).status().message(), HasSubstr("2 requests"));
  tickets.pop_back();
  EXPECT_TRUE(bounds.Admit(caller_, wait_).ok());
}

TEST_F(IssueBoundsTest, CountsANamespacesCertificatesPerInterval) {
  IssueBounds::Options options = Options();
  options.namespaces["demo"] = {.max_certificates = 2, .interval = absl::Minutes(1)};
  IssueBounds bounds(options);
  EXPECT_TRUE(bounds.Admit(caller_, wait_).ok());
  EXPECT_TRUE(bounds.Admit(other_, wait_).ok());
  EXPECT_EQ(RefusalOf(bounds.Admit(caller_, wait_).status()), Refusal::kRateLimited);
  EXPECT_EQ(wait_, absl::Minutes(1));
  clock_.Advance(absl::Minutes(1));
  EXPECT_TRUE(bounds.Admit(caller_, wait_).ok());
}

TEST_F(IssueBoundsTest, KnowsWhoAndWhichKeysANamespaceAllows) {
  IssueBounds::Options options = Options();
  options.namespaces["demo"] = {
      .max_leaf_lifetime = absl::Hours(1), .key_types = {"P-384"}, .service_accounts = {"backend"}};
  options.namespaces["*"] = {.max_leaf_lifetime = absl::Hours(2)};
  IssueBounds bounds(options);
  EXPECT_TRUE(bounds.Admit(caller_, wait_).ok());
  EXPECT_EQ(RefusalOf(bounds.Admit(other_, wait_).status()), Refusal::kNotAllowed);
  EXPECT_TRUE(bounds.CheckKeyType(caller_, "P-384").ok());
  EXPECT_EQ(RefusalOf(bounds.CheckKeyType(caller_, "P-256")), Refusal::kNotAllowed);
  EXPECT_EQ(bounds.MaxLifetime(caller_), absl::Hours(1));
  const Caller elsewhere{"elsewhere", "x", "", absl::InfiniteFuture()};
  EXPECT_EQ(bounds.MaxLifetime(elsewhere), absl::Hours(2));
  EXPECT_TRUE(bounds.CheckKeyType(elsewhere, "P-256").ok());
}

TEST_F(IssueBoundsTest, ReadsItsConfigurationAndNamesWhatIsWrong) {
  kith::config::v1::ControlPlaneConfig config;
  auto* one = config.mutable_issuance()->add_namespaces();
  one->set_namespace_("demo");
  one->add_key_types("p-384");
  auto options = IssueBounds::Options::From(config);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->namespaces["demo"].key_types, std::vector<std::string>{"P-384"});
  one->add_key_types("P-521");
  EXPECT_THAT(IssueBounds::Options::From(config).status().message(),
              HasSubstr("issuance.namespaces[demo].key_types"));
  one->clear_key_types();
  config.mutable_issuance()->add_namespaces()->set_namespace_("demo");
  EXPECT_THAT(IssueBounds::Options::From(config).status().message(), HasSubstr("twice"));
}

}  // namespace
}  // namespace kith::controlplane
