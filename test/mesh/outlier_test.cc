#include "source/mesh/outlier.h"

#include <gtest/gtest.h>

namespace kith::mesh {
namespace {

OutlierDetection Policy(uint32_t errors, uint32_t gateway_errors) {
  OutlierDetection policy;
  policy.consecutive_errors = errors;
  policy.consecutive_gateway_errors = gateway_errors;
  return policy;
}

TEST(EndpointHealthTest, WantsToLeaveOutAfterErrorsInARow) {
  const OutlierDetection policy = Policy(3, 0);
  EndpointHealth health;
  EXPECT_FALSE(health.Record(Outcome::kError, policy));
  EXPECT_FALSE(health.Record(Outcome::kGatewayError, policy));
  EXPECT_FALSE(health.Record(Outcome::kGood, policy));
  EXPECT_FALSE(health.Record(Outcome::kError, policy));
  EXPECT_FALSE(health.Record(Outcome::kError, policy));
  EXPECT_TRUE(health.Record(Outcome::kError, policy));
}

TEST(EndpointHealthTest, CountsGatewayErrorsByThemselves) {
  const OutlierDetection policy = Policy(0, 2);
  EndpointHealth health;
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(health.Record(Outcome::kError, policy));
  EXPECT_FALSE(health.Record(Outcome::kGatewayError, policy));
  EXPECT_FALSE(health.Record(Outcome::kError, policy));
  EXPECT_FALSE(health.Record(Outcome::kGatewayError, policy));
  EXPECT_TRUE(health.Record(Outcome::kGatewayError, policy));
}

TEST(EndpointHealthTest, StaysOutForLongerEachTimeAndIsForgivenLater) {
  const OutlierDetection policy = Policy(1, 0);  // 30 s, forgiven every 10 s.
  EndpointHealth health;
  uint64_t now = 1'000'000;
  health.Eject(now, policy);
  EXPECT_TRUE(health.ejected(now + 29'999));
  EXPECT_FALSE(health.ejected(now + 30'000));
  now += 30'000;
  health.Eject(now, policy);
  EXPECT_TRUE(health.ejected(now + 59'999));
  EXPECT_FALSE(health.ejected(now + 60'000));
  now += 60'000 + 20'000;  // Twice the interval: both are forgiven.
  health.Eject(now, policy);
  EXPECT_FALSE(health.ejected(now + 30'000));
}

TEST(EndpointHealthTest, BeginsToCountAnewWhenItIsBack) {
  const OutlierDetection policy = Policy(2, 0);
  EndpointHealth health;
  health.Record(Outcome::kError, policy);
  ASSERT_TRUE(health.Record(Outcome::kError, policy));
  health.Eject(0, policy);
  EXPECT_FALSE(health.Record(Outcome::kError, policy));
}

TEST(MayEjectTest, KeepsToTheShareButAllowsOneAndNeverTheLast) {
  OutlierDetection policy = Policy(1, 0);
  EXPECT_FALSE(MayEject(1, 0, policy));
  EXPECT_TRUE(MayEject(2, 0, policy));
  EXPECT_FALSE(MayEject(10, 1, policy));
  EXPECT_TRUE(MayEject(20, 1, policy));
  policy.max_ejection_percent = 100;
  EXPECT_TRUE(MayEject(3, 1, policy));
  EXPECT_FALSE(MayEject(3, 2, policy));
}

TEST(MustUseAllTest, IsSoBelowTheHealthyShare) {
  OutlierDetection policy = Policy(1, 0);
  EXPECT_FALSE(MustUseAll(4, 3, policy));
  policy.min_health_percent = 50;
  EXPECT_FALSE(MustUseAll(4, 2, policy));
  EXPECT_TRUE(MustUseAll(4, 3, policy));
}

}  // namespace
}  // namespace kith::mesh
