#include "source/policy/matcher.h"

#include <gtest/gtest.h>

#include <string>

namespace kith::policy {
namespace {

bool Matches(absl::string_view pattern, absl::string_view value) {
  return StringMatcher(pattern).Matches(value);
}

bool MatchesWithoutParameters(absl::string_view pattern, absl::string_view path) {
  return StringMatcher(pattern).MatchesWithoutParameters(path);
}

TEST(StringMatcherTest, TakesAStarAloneAsPresent) {
  EXPECT_TRUE(Matches("*", "a"));
  EXPECT_FALSE(Matches("*", ""));
}

TEST(StringMatcherTest, TakesALeadingStarAsSuffix) {
  EXPECT_TRUE(Matches("*abc", "xabc"));
  EXPECT_TRUE(Matches("*abc", "abc"));
  EXPECT_FALSE(Matches("*abc", "abcx"));
  EXPECT_FALSE(Matches("*abc", ""));
}

TEST(StringMatcherTest, TakesATrailingStarAsPrefix) {
  EXPECT_TRUE(Matches("abc*", "abcx"));
  EXPECT_TRUE(Matches("abc*", "abc"));
  EXPECT_FALSE(Matches("abc*", "xabc"));
  EXPECT_FALSE(Matches("abc*", "ab"));
}

TEST(StringMatcherTest, TakesOtherStarsLiterally) {
  EXPECT_TRUE(Matches("*/a*", "x/a*"));
  EXPECT_FALSE(Matches("*/a*", "x/ab"));
  EXPECT_TRUE(Matches("/a/*/b", "/a/*/b"));
  EXPECT_FALSE(Matches("/a/*/b", "/a/x/b"));
  EXPECT_TRUE(Matches("**", "a*"));
  EXPECT_FALSE(Matches("**", "a"));
  EXPECT_TRUE(Matches("a**", "a*b"));
  EXPECT_FALSE(Matches("a**", "ab"));
}

TEST(StringMatcherTest, ComparesBytes) {
  EXPECT_FALSE(Matches("abc", "ABC"));
  EXPECT_TRUE(Matches("a.c", "a.c"));
  EXPECT_FALSE(Matches("a.c", "abc"));
  EXPECT_TRUE(Matches("*\xff", "a\xff"));
  EXPECT_TRUE(Matches("*", "\xff"));
  EXPECT_TRUE(Matches("a*", absl::string_view("a\0b", 3)));
  EXPECT_FALSE(Matches("a", absl::string_view("a\0", 2)));
}

TEST(StringMatcherTest, SeesPathsAsServersThatDropParameters) {
  EXPECT_TRUE(MatchesWithoutParameters("/admin", "/admin;x=1"));
  EXPECT_TRUE(MatchesWithoutParameters("/admin/x", "/admin;a=b/x;c"));
  EXPECT_TRUE(MatchesWithoutParameters("/admin/*", "/admin;a=b/x"));
  EXPECT_TRUE(MatchesWithoutParameters("*/x", "/admin;a=b/x;c;d"));
  EXPECT_TRUE(MatchesWithoutParameters("*n/x", "/admin;a=b/x;c;d"));
  EXPECT_TRUE(MatchesWithoutParameters("*", "/;"));
  EXPECT_TRUE(MatchesWithoutParameters("/a/", "/a/;x"));
  EXPECT_FALSE(MatchesWithoutParameters("/admin", "/admins;x"));
  EXPECT_FALSE(MatchesWithoutParameters("/admin", "/admi;n"));
  EXPECT_FALSE(MatchesWithoutParameters("*/long/suffix", "/x;y"));
  EXPECT_FALSE(MatchesWithoutParameters("/a;x", "/a;x"));
}

TEST(StringMatcherTest, SeesThroughSegmentsThatAreParametersOnly) {
  EXPECT_TRUE(MatchesWithoutParameters("/admin", "/;x/admin"));
  EXPECT_TRUE(MatchesWithoutParameters("/admin", "/.;x/admin"));
  EXPECT_TRUE(MatchesWithoutParameters("//admin", "/;x/admin"));
  EXPECT_TRUE(MatchesWithoutParameters("/./admin", "/.;x/admin"));
  EXPECT_TRUE(MatchesWithoutParameters("/admin/", "/admin/.;x"));
}

TEST(StringMatcherTest, LeavesPathsWithoutParametersToMatches) {
  EXPECT_FALSE(MatchesWithoutParameters("/admin", "/admin"));
  EXPECT_FALSE(MatchesWithoutParameters("*", "/admin"));
}

TEST(GlobTest, TakesEveryStarAsAnyText) {
  EXPECT_TRUE(MatchesGlob("*", "a"));
  EXPECT_TRUE(MatchesGlob("a*c", "abc"));
  EXPECT_TRUE(MatchesGlob("a*c", "ac"));
  EXPECT_TRUE(MatchesGlob("*b*", "abc"));
  EXPECT_TRUE(MatchesGlob("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(MatchesGlob("*aab", "aaaab"));
  EXPECT_TRUE(MatchesGlob("abc", "abc"));
  EXPECT_TRUE(MatchesGlob("abc**", "abc"));
  EXPECT_FALSE(MatchesGlob("a*c", "abd"));
  EXPECT_FALSE(MatchesGlob("abc", "abcd"));
  EXPECT_FALSE(MatchesGlob("abcd", "abc"));
  EXPECT_FALSE(MatchesGlob("a.c", "abc"));
}

TEST(GlobTest, NeverMatchesWhatIsMissing) {
  EXPECT_FALSE(MatchesGlob("*", ""));
  EXPECT_FALSE(MatchesGlob("", ""));
}

TEST(GlobTest, StaysFastOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 1'000; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesGlob(pattern + "b", std::string(2'000, 'a')));
}

TEST(NamespaceOfPathTest, ReadsTheSegmentAfterNs) {
  EXPECT_EQ(NamespaceOfPath("/ns/demo/sa/x"), "demo");
  EXPECT_EQ(NamespaceOfPath("/ns/demo/pod/x/y"), "demo");
  EXPECT_EQ(NamespaceOfPath("/ns/demo"), "");
  EXPECT_EQ(NamespaceOfPath("/ns/demo/"), "");
  EXPECT_EQ(NamespaceOfPath("/x/ns/demo/sa/x"), "");
  EXPECT_EQ(NamespaceOfPath(""), "");
}

}  // namespace
}  // namespace kith::policy
