#include "source/config/suggest.h"

#include <gtest/gtest.h>

namespace kith::config {
namespace {

const std::vector<std::string> kNames = {"principals", "notPrincipals", "namespaces", "to", "from"};

TEST(SuggestTest, FindsTheNearestWithinTwoEdits) {
  EXPECT_EQ(Nearest("principls", kNames), "principals");    // One missing.
  EXPECT_EQ(Nearest("principalss", kNames), "principals");  // One too many.
  EXPECT_EQ(Nearest("princxpals", kNames), "principals");   // One replaced.
  EXPECT_EQ(Nearest("pirncipals", kNames), "principals");   // Two swapped.
  EXPECT_EQ(Nearest("form", kNames), "from");
  EXPECT_EQ(Nearest("NAMESPACES", kNames), "namespaces");
}

TEST(SuggestTest, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(Nearest("prncpls", kNames), "");
  EXPECT_EQ(Nearest("xy", kNames), "");
  EXPECT_EQ(Nearest("", kNames), "");
  EXPECT_EQ(Nearest("rules", {}), "");
}

TEST(SuggestTest, PrefersTheNearer) { EXPECT_EQ(Nearest("abcd", {"abxy", "abcx"}), "abcx"); }

}  // namespace
}  // namespace kith::config
