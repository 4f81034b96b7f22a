#include "source/identity/bundle_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace kith::identity {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Merged(const BundleSet& set) {
  std::vector<std::string> lines;
  for (const BundleSet::Entry& entry : set.Merge()) {
    lines.push_back(absl::StrCat(entry.domain.trust_domain, " ", entry.domain.roots_pem, " ",
                                 Name(entry.origin)));
  }
  return lines;
}

BundleSet Filled(BundlePrecedence precedence) {
  BundleSet set(precedence);
  set.Set(BundleOrigin::kBootstrap, {{"own", "B"}, {"partner", "B"}});
  set.Set(BundleOrigin::kSource, {{"own", "S"}, {"spire", "S"}});
  set.Set(BundleOrigin::kControlPlane, {{"own", "C"}});
  return set;
}

TEST(BundleSetTest, PrefersTheControlPlaneForWhatItGivesAndElseTheSource) {
  EXPECT_THAT(Merged(Filled(BundlePrecedence::kControlPlaneFirst)),
              ElementsAre("own C control-plane", "partner B bootstrap", "spire S source"));
}

TEST(BundleSetTest, PrefersTheSourceWhenToldTo) {
  EXPECT_THAT(Merged(Filled(BundlePrecedence::kSourceFirst)),
              ElementsAre("own S source", "partner B bootstrap", "spire S source"));
}

TEST(BundleSetTest, FallsBackWhenAGiverTakesADomainBack) {
  BundleSet set = Filled(BundlePrecedence::kControlPlaneFirst);
  set.Set(BundleOrigin::kControlPlane, {});
  set.Set(BundleOrigin::kSource, {{"spire", "S2"}});
  EXPECT_THAT(Merged(set),
              ElementsAre("own B bootstrap", "partner B bootstrap", "spire S2 source"));
}

}  // namespace
}  // namespace kith::identity
