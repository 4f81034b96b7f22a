#include "source/mesh/choose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace kith::mesh {
namespace {

class ChooseTest : public testing::Test {
 protected:
  void SetWeights(const std::vector<uint32_t>& weights) {
    endpoints_.assign(weights.size(), {});
    for (size_t i = 0; i < weights.size(); ++i) endpoints_[i].weight = weights[i];
    active_.assign(weights.size(), 0);
  }

  size_t Choose(const std::vector<size_t>& avoid = {}) {
    return ChooseEndpoint({.endpoints = endpoints_,
                           .active = [this](size_t i) { return active_[i]; },
                           .random = [this] { return random_(); },
                           .avoid = avoid,
                           .balancer = balancer_,
                           .turn = turn_,
                           .key = key_});
  }

  // How often each is chosen, of `times`.
  std::vector<int> Count(int times) {
    std::vector<int> counts(endpoints_.size());
    for (int i = 0; i < times; ++i) ++counts[Choose()];
    return counts;
  }

  std::vector<Endpoint> endpoints_;
  std::vector<uint32_t> active_;
  std::mt19937_64 random_{7};
  Balancer balancer_ = Balancer::kLeastRequest;
  uint64_t turn_ = 0;
  absl::optional<uint64_t> key_;
};

TEST_F(ChooseTest, HasNothingToChooseFromNothing) {
  SetWeights({});
  EXPECT_EQ(Choose(), kNoEndpoint);
  SetWeights({1, 1});
  EXPECT_EQ(Choose({0, 1}), kNoEndpoint);
}

TEST_F(ChooseTest, NeverChoosesWhatIsToBeAvoided) {
  SetWeights({1, 100, 1});
  active_ = {9, 0, 9};
  for (int i = 0; i < 1'000; ++i) ASSERT_NE(Choose({1}), 1u);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Choose({1, 0}), 2u);
}

TEST_F(ChooseTest, SpreadsEvenlyWhileIdle) {
  SetWeights({1, 1, 1, 1, 1});
  for (const int count : Count(50'000)) EXPECT_NEAR(count, 10'000, 500);
}

TEST_F(ChooseTest, KeepsToTheWeightsWhileIdle) {
  SetWeights({1, 3, 6});
  const std::vector<int> counts = Count(100'000);
  EXPECT_NEAR(counts[0], 10'000, 700);
  EXPECT_NEAR(counts[1], 30'000, 1'000);
  EXPECT_NEAR(counts[2], 60'000, 1'000);
}

TEST_F(ChooseTest, CountsAWeightOfZeroAsOne) {
  SetWeights({0, 1});
  EXPECT_NEAR(Count(10'000)[0], 5'000, 300);
}

TEST_F(ChooseTest, PrefersTheLessLoadedOfTwo) {
  SetWeights({1, 1});
  active_ = {1, 0};
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Choose(), 1u);
}

TEST_F(ChooseTest, ComparesLoadByWeight) {
  SetWeights({4, 1});
  active_ = {3, 1};
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Choose(), 0u);
  active_ = {5, 1};
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Choose(), 1u);
}

TEST_F(ChooseTest, NeverChoosesTheBusiestOfMany) {
  SetWeights({1, 1, 1, 1});
  active_ = {0, 0, 9, 0};
  EXPECT_EQ(Count(10'000)[2], 0);
}

TEST_F(ChooseTest, BalancesLongRequestsCloselyLikeTwoChoicesDo) {
  // 100 endpoints, 10,000 requests that never end: one random choice leaves the busiest around 135,
  // the better of two within a few of 100.
  SetWeights(std::vector<uint32_t>(100, 1));
  for (int i = 0; i < 10'000; ++i) ++active_[Choose()];
  EXPECT_LE(*std::max_element(active_.begin(), active_.end()), 105u);
  EXPECT_GE(*std::min_element(active_.begin(), active_.end()), 90u);
}

TEST_F(ChooseTest, TakesTurnsByWeightInRoundRobin) {
  SetWeights({1, 2, 1});
  balancer_ = Balancer::kRoundRobin;
  active_ = {9, 0, 0};
  std::vector<size_t> chosen;
  for (turn_ = 0; turn_ < 8; ++turn_) chosen.push_back(Choose());
  EXPECT_EQ(chosen, (std::vector<size_t>{0, 1, 1, 2, 0, 1, 1, 2}));
  for (turn_ = 0; turn_ < 8; ++turn_) EXPECT_NE(Choose({1}), 1u);
}

TEST_F(ChooseTest, DoesNotLookAtTheLoadInRandom) {
  SetWeights({1, 1});
  balancer_ = Balancer::kRandom;
  active_ = {9, 0};
  EXPECT_NEAR(Count(10'000)[0], 5'000, 300);
}

TEST_F(ChooseTest, SendsAKeyToOneEndpointAndMovesFewWhenOneGoes) {
  SetWeights(std::vector<uint32_t>(10, 1));
  for (size_t i = 0; i < 10; ++i) {
    endpoints_[i].address = *base::SocketAddress::Parse("10.0.0." + std::to_string(i) + ":80");
  }
  balancer_ = Balancer::kConsistentHash;
  std::vector<int> counts(10);
  int moved = 0;
  for (int i = 0; i < 10'000; ++i) {
    key_ = Hash("user-" + std::to_string(i));
    const size_t chosen = Choose();
    ++counts[chosen];
    ASSERT_EQ(Choose(), chosen);
    const size_t without = Choose({3});
    ASSERT_NE(without, 3u);
    if (chosen != 3) moved += chosen != without;
  }
  EXPECT_EQ(moved, 0);
  for (const int count : counts) EXPECT_NEAR(count, 1'000, 150);
}

TEST_F(ChooseTest, KeepsToTheWeightsOfKeys) {
  SetWeights({1, 3});
  endpoints_[0].address = *base::SocketAddress::Parse("10.0.0.1:80");
  endpoints_[1].address = *base::SocketAddress::Parse("10.0.0.2:80");
  balancer_ = Balancer::kConsistentHash;
  int first = 0;
  for (int i = 0; i < 10'000; ++i) {
    key_ = Hash(std::to_string(i));
    first += Choose() == 0;
  }
  EXPECT_NEAR(first, 2'500, 200);
}

TEST_F(ChooseTest, FallsBackToLeastRequestWithoutAKey) {
  SetWeights({1, 1});
  balancer_ = Balancer::kConsistentHash;
  active_ = {1, 0};
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Choose(), 1u);
}

TEST_F(ChooseTest, ReachesEveryEndpointAtTheEdgesOfTheRandomNumber) {
  SetWeights({1, 1, 1});
  for (const auto& [number, expected] :
       {std::pair<uint64_t, size_t>(0, 0), std::pair<uint64_t, size_t>(UINT64_MAX, 2)}) {
    EXPECT_EQ(ChooseEndpoint({.endpoints = endpoints_,
                              .active = [](size_t) { return 0u; },
                              .random = [n = number] { return n; }}),
              expected);
  }
}

}  // namespace
}  // namespace kith::mesh
