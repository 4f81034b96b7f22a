#include "source/policy/literal_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "source/policy/pattern_set.h"

namespace kith::policy {
namespace {

using Kind = Literal::Kind;

std::vector<uint32_t> Find(const LiteralIndex& index, absl::string_view value) {
  std::vector<uint32_t> found;
  index.Find(value, [&](uint32_t number) { found.push_back(number); });
  std::sort(found.begin(), found.end());
  return found;
}

TEST(LiteralIndexTest, FindsWhatATextHas) {
  LiteralIndex index;
  EXPECT_EQ(index.Add({Kind::kExact, "abc"}), 0u);
  EXPECT_EQ(index.Add({Kind::kPrefix, "ab"}), 1u);
  EXPECT_EQ(index.Add({Kind::kSuffix, "bc"}), 2u);
  EXPECT_EQ(index.Add({Kind::kPrefix, ""}), 3u);
  EXPECT_EQ(index.Add({Kind::kPrefix, "ab"}), 1u);
  EXPECT_EQ(index.Add({Kind::kSuffix, "a long suffix, longer than a word"}), 4u);
  index.Seal();
  EXPECT_EQ(Find(index, "abc"), (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(Find(index, "xbc"), (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(Find(index, ""), (std::vector<uint32_t>{3}));
  EXPECT_EQ(Find(index, "with a long suffix, longer than a word"), (std::vector<uint32_t>{3, 4}));
}

TEST(LiteralIndexTest, AgreesWithComparingOneByOne) {
  std::mt19937 random(7);
  const auto word = [&] {
    std::string text(random() % 12, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  std::vector<Pattern> patterns;
  for (int i = 0; i < 60; ++i) {
    const std::string text = word();
    patterns.push_back(Pattern::Text(i % 3 == 0   ? text + "b"
                                     : i % 3 == 1 ? text + "*"
                                                  : "*" + text));
  }
  const PatternSet set(patterns);
  for (int i = 0; i < 5'000; ++i) {
    const std::string value = word();
    const bool any = std::any_of(patterns.begin(), patterns.end(),
                                 [&](const Pattern& pattern) { return pattern.Matches(value); });
    ASSERT_EQ(set.Matches(value), any) << value;
  }
}

}  // namespace
}  // namespace kith::policy
