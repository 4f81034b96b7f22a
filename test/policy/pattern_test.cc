#include "source/policy/pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace kith::policy {
namespace {

bool Matches(absl::string_view pattern, absl::string_view value) {
  return Pattern::Text(pattern).Matches(value);
}

bool MatchesGlob(absl::string_view pattern, absl::string_view text) {
  return Pattern::Glob(pattern).Matches(text);
}

bool MatchesTemplate(absl::string_view pattern, absl::string_view path,
                     Pattern::TemplateBytes bytes = Pattern::TemplateBytes::kListed) {
  return Pattern::Template(pattern, bytes)->Matches(path);
}

TEST(PatternTest, TakesAStarAloneAsPresent) {
  EXPECT_TRUE(Matches("*", "a"));
  EXPECT_FALSE(Matches("*", ""));
}

TEST(PatternTest, TakesALeadingStarAsSuffix) {
  EXPECT_TRUE(Matches("*abc", "xabc"));
  EXPECT_TRUE(Matches("*abc", "abc"));
  EXPECT_FALSE(Matches("*abc", "abcx"));
  EXPECT_FALSE(Matches("*abc", ""));
}

TEST(PatternTest, TakesATrailingStarAsPrefix) {
  EXPECT_TRUE(Matches("abc*", "abcx"));
  EXPECT_TRUE(Matches("abc*", "abc"));
  EXPECT_FALSE(Matches("abc*", "xabc"));
  EXPECT_FALSE(Matches("abc*", "ab"));
}

TEST(PatternTest, TakesOtherStarsLiterally) {
  EXPECT_TRUE(Matches("*/a*", "x/a*"));
  EXPECT_FALSE(Matches("*/a*", "x/ab"));
  EXPECT_TRUE(Matches("/a/*/b", "/a/*/b"));
  EXPECT_FALSE(Matches("/a/*/b", "/a/x/b"));
  EXPECT_TRUE(Matches("**", "a*"));
  EXPECT_FALSE(Matches("**", "a"));
  EXPECT_TRUE(Matches("a**", "a*b"));
  EXPECT_FALSE(Matches("a**", "ab"));
}

TEST(PatternTest, ComparesBytes) {
  EXPECT_FALSE(Matches("abc", "ABC"));
  EXPECT_TRUE(Matches("a.c", "a.c"));
  EXPECT_FALSE(Matches("a.c", "abc"));
  EXPECT_TRUE(Matches("*\xff", "a\xff"));
  EXPECT_TRUE(Matches("*", "\xff"));
  EXPECT_TRUE(Matches("a*", absl::string_view("a\0b", 3)));
  EXPECT_FALSE(Matches("a", absl::string_view("a\0", 2)));
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

TEST(GlobTest, NeverMatchesWhatIsMissing) { EXPECT_FALSE(MatchesGlob("*", "")); }

TEST(GlobTest, StaysFastOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 1'000; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesGlob(pattern + "b", std::string(2'000, 'a')));
}

TEST(TemplateTest, FillsSegments) {
  EXPECT_TRUE(MatchesTemplate("/a/{*}/c", "/a/b/c"));
  EXPECT_FALSE(MatchesTemplate("/a/{*}/c", "/a//c"));
  EXPECT_FALSE(MatchesTemplate("/a/{*}/c", "/a/b/b/c"));
  EXPECT_FALSE(MatchesTemplate("/a/{*}/c", "/a/b/cd"));
  EXPECT_FALSE(MatchesTemplate("/a/{*}", "/a/"));
  EXPECT_TRUE(MatchesTemplate("/{*}/{*}", "/x-1._~%!$&'()+,;:@=*/y"));
}

TEST(TemplateTest, FillsTheRest) {
  EXPECT_TRUE(MatchesTemplate("/a/{**}", "/a/"));
  EXPECT_TRUE(MatchesTemplate("/a/{**}", "/a/b/c"));
  EXPECT_FALSE(MatchesTemplate("/a/{**}", "/a"));
  EXPECT_TRUE(MatchesTemplate("/a/{**}/z", "/a/b/c/z"));
  EXPECT_TRUE(MatchesTemplate("/a/{**}/z", "/a//z"));
  EXPECT_FALSE(MatchesTemplate("/a/{**}/z", "/a/z"));
  EXPECT_TRUE(MatchesTemplate("/{*}/{**}", "/a/b/c"));
}

TEST(TemplateTest, TakesUnlistedBytesOnlyWhereAsked) {
  EXPECT_FALSE(MatchesTemplate("/{*}", "/a\xff"));
  EXPECT_FALSE(MatchesTemplate("/{**}", "/a b"));
  EXPECT_TRUE(MatchesTemplate("/{*}", "/a\xff", Pattern::TemplateBytes::kAny));
  EXPECT_FALSE(MatchesTemplate("/{*}", "/a/b", Pattern::TemplateBytes::kAny));
  EXPECT_TRUE(MatchesTemplate("/{**}", "/a b/c", Pattern::TemplateBytes::kAny));
}

}  // namespace
}  // namespace kith::policy
