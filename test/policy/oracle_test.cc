// PolicySet and the oracle agree on random policies and requests.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "test/policy/generator.h"

namespace kith::policy {
namespace {

TEST(OracleTest, AgreesOnRandomPoliciesAndRequests) {
  // oracle_main asks as many as one likes.
  constexpr int kSets = 2'500, kRequests = 40;
  Generator generator(20240501);
  int allowed = 0, by_rule = 0;
  for (int set = 0; set < kSets; ++set) {
    std::vector<security::v1::AuthorizationPolicy> policies = generator.Policies();
    const PolicySet::Options options = generator.Options();
    const auto compiled = PolicySet::Compile(policies, options);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    std::vector<security::v1::AuthorizationPolicy> reversed = policies;
    std::reverse(reversed.begin(), reversed.end());
    const auto backwards = PolicySet::Compile(reversed, options);
    ASSERT_TRUE(backwards.ok()) << backwards.status();
    for (int i = 0; i < kRequests; ++i) {
      const OracleRequest request = generator.Request();
      OracleAnswer answer;
      ASSERT_EQ(Disagreement(**compiled, policies, options, request, answer), "");
      const EngineRequest asked(request);
      ASSERT_EQ((*backwards)->Decide(asked.get()).allowed, answer.allowed)
          << "order must not matter";
      allowed += answer.allowed;
      by_rule += !answer.deciding.empty();
    }
  }
  // Every outcome is common.
  const int all = kSets * kRequests;
  EXPECT_GT(allowed, all / 5);
  EXPECT_LT(allowed, all * 4 / 5);
  EXPECT_GT(by_rule, all / 5);
}

}  // namespace
}  // namespace kith::policy
