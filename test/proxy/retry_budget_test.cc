#include "source/proxy/retry_budget.h"

#include <gtest/gtest.h>

namespace kith::proxy {
namespace {

constexpr RetryLimits kLimits = {.attempts = 2, .budget_percent = 20, .budget_per_second = 3};

int TakeAll(RetryBudget& budget, uint64_t now_ms, const RetryLimits& limits = kLimits) {
  int taken = 0;
  while (taken < 100000 && budget.Take(now_ms, limits)) ++taken;
  return taken;
}

TEST(RetryBudgetTest, GivesALittleWithoutRequests) {
  RetryBudget budget;
  EXPECT_EQ(TakeAll(budget, 5000), 30);
  EXPECT_FALSE(budget.Take(14999, kLimits));
}

TEST(RetryBudgetTest, GivesAShareOfTheRequestsOfTheLastTenSeconds) {
  RetryBudget budget;
  for (int i = 0; i < 1000; ++i) budget.AddRequest(20000);
  EXPECT_EQ(TakeAll(budget, 29999), 230);
}

TEST(RetryBudgetTest, ForgetsWhatIsLongerAgo) {
  RetryBudget budget;
  for (int i = 0; i < 1000; ++i) budget.AddRequest(20000);
  EXPECT_EQ(TakeAll(budget, 20000), 230);
  EXPECT_EQ(TakeAll(budget, 30000), 30);
  EXPECT_EQ(TakeAll(budget, 500000), 30);
}

TEST(RetryBudgetTest, GivesNothingWhereNothingIsAllowed) {
  RetryBudget budget;
  for (int i = 0; i < 1000; ++i) budget.AddRequest(20000);
  EXPECT_EQ(TakeAll(budget, 20000, {.budget_percent = 0, .budget_per_second = 0}), 0);
}

TEST(RetryBudgetTest, TakesBackWhatCostNothing) {
  RetryBudget budget;
  EXPECT_TRUE(budget.Take(1000, kLimits));
  EXPECT_EQ(TakeAll(budget, 2000), 29);
  budget.GiveBack(3000, 30);
  EXPECT_EQ(TakeAll(budget, 3000), 30);
}

TEST(RetryBudgetTest, TakesBackNoMoreThanItGave) {
  RetryBudget budget;
  EXPECT_TRUE(budget.Take(1000, kLimits));
  budget.GiveBack(1000, 100);
  EXPECT_EQ(TakeAll(budget, 1000), 30);
}

}  // namespace
}  // namespace kith::proxy
