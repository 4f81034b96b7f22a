#include "source/mesh/locality.h"

#include <gtest/gtest.h>

#include <vector>

namespace kith::mesh {
namespace {

constexpr char kClient[] = "eu/zone-1/rack-a";

TEST(LocalityTest, KnowsHowFarAnEndpointIs) {
  const LocalityPreference preference{.failover = {{"eu", "us"}, {"us", "asia"}}};
  const auto distance = [&](absl::string_view endpoint) {
    return DistanceOf(kClient, endpoint, preference);
  };
  EXPECT_EQ(distance("eu/zone-1/rack-a"), 0);
  EXPECT_EQ(distance("eu/zone-1/rack-b"), 1);
  EXPECT_EQ(distance("eu/zone-1"), 1);
  EXPECT_EQ(distance("eu/zone-2/rack-a"), 2);
  EXPECT_EQ(distance("eu"), 2);
  EXPECT_EQ(distance("us/zone-1/rack-a"), 3);
  EXPECT_EQ(distance("asia/zone-1/rack-a"), 4);
  EXPECT_EQ(distance(""), 4);
  EXPECT_EQ(distance("eu2/zone-1/rack-a"), 4);
}

TEST(LocalityTest, PrefersNobodyToAClientThatIsNowhere) {
  EXPECT_EQ(DistanceOf("", "eu/zone-1", {}), 0);
  EXPECT_EQ(DistanceOf("", "", {}), 0);
}

// How many of a hundred requests, evenly drawn, go to each tier.
std::vector<int> Spread(const std::vector<TierHealth>& tiers) {
  std::vector<int> counts(tiers.size());
  for (uint64_t i = 0; i < 100; ++i) ++counts[DrawTier(tiers, i * (UINT64_MAX / 100) + 1000)];
  return counts;
}

TEST(LocalityTest, SendsEverythingToTheNearestWhileItIsHealthy) {
  EXPECT_EQ(Spread({{10, 10}, {10, 10}}), (std::vector{100, 0}));
  EXPECT_EQ(Spread({{10, 8}, {10, 10}}), (std::vector{100, 0})) << "1.4 times 0.8 is enough";
}

TEST(LocalityTest, SendsOnWhatTheNearestCannotCarry) {
  EXPECT_EQ(Spread({{10, 5}, {10, 10}}), (std::vector{70, 30}));
  EXPECT_EQ(Spread({{10, 0}, {10, 10}, {10, 10}}), (std::vector{0, 100, 0}));
  EXPECT_EQ(Spread({{10, 5}, {10, 1}, {10, 10}}), (std::vector{70, 14, 16}));
}

TEST(LocalityTest, DividesWhatIsHealthyWhenItIsTooLittle) {
  EXPECT_EQ(Spread({{10, 1}, {10, 1}}), (std::vector{50, 50}));
  EXPECT_EQ(Spread({{10, 0}, {10, 0}}), (std::vector{100, 0}));
}

}  // namespace
}  // namespace kith::mesh
