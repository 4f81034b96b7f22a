#include "source/policy/trust_domain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::policy {
namespace {

using testing::ElementsAre;

std::vector<std::string> Expand(absl::string_view pattern, std::vector<std::string> domains) {
  return ExpandPrincipal(pattern, domains);
}

TEST(TrustDomainTest, StandsForEveryNameOfTheMesh) {
  EXPECT_THAT(Expand("td/ns/a/sa/b", {"td", "old"}), ElementsAre("td/ns/a/sa/b", "old/ns/a/sa/b"));
  EXPECT_THAT(Expand("old/ns/a/sa/*", {"td", "old"}), ElementsAre("td/ns/a/sa/*", "old/ns/a/sa/*"));
  EXPECT_THAT(Expand("td/ns/a/sa/b", {"td", "td"}), ElementsAre("td/ns/a/sa/b"));
}

TEST(TrustDomainTest, TakesClusterLocalAsAPointerToTheMesh) {
  EXPECT_THAT(Expand("cluster.local/ns/a/sa/b", {"td"}), ElementsAre("td/ns/a/sa/b"));
}

TEST(TrustDomainTest, LeavesOtherDomainsAlone) {
  EXPECT_THAT(Expand("other/ns/a/sa/b", {"td", "old"}), ElementsAre("other/ns/a/sa/b"));
}

TEST(TrustDomainTest, LeavesPatternsWithoutFivePartsAlone) {
  for (const char* pattern : {"*", "td", "td/ns/a", "td/ns/a/sa/b/c", "cluster.local/*"}) {
    EXPECT_THAT(Expand(pattern, {"td", "old"}), ElementsAre(pattern));
  }
}

TEST(TrustDomainTest, LeavesAnyDomainAny) {
  EXPECT_THAT(Expand("*/ns/a/sa/b", {"td", "old"}), ElementsAre("*/ns/a/sa/b"));
}

TEST(TrustDomainTest, MatchesWildcardsOnEitherSide) {
  EXPECT_THAT(Expand("*local/ns/a/sa/b", {"x.local", "old"}),
              ElementsAre("*local/ns/a/sa/b", "old/ns/a/sa/b"));
  EXPECT_THAT(Expand("x*/ns/a/sa/b", {"x.local"}), ElementsAre("x.local/ns/a/sa/b"));
  EXPECT_THAT(Expand("old-1/ns/a/sa/b", {"td", "old*"}),
              ElementsAre("td/ns/a/sa/b", "old*/ns/a/sa/b"));
}

}  // namespace
}  // namespace kith::policy
