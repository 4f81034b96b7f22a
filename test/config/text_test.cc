#include "source/config/text.h"

#include <gtest/gtest.h>

#include <string>

namespace kith::config {
namespace {

TEST(TextTest, AcceptsUtf8AndRefusesTheRest) {
  for (absl::string_view good : {"", "a\r\n\tb", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                 "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(CheckText(good, "f").ok()) << good;
  }
  for (absl::string_view bad :
       {"\xff", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\x80",
        "\xc3\x28", "\x1b", "\x7f"}) {
    EXPECT_FALSE(CheckText(bad, "f").ok()) << bad;
  }
}

TEST(TextTest, NamesTheLine) {
  EXPECT_EQ(CheckText("a\nb\n\x01", "f").message(),
            "f:3: control character 0x01; is this a text file?");
}

TEST(TextTest, AcceptsControlCharactersButNulInValues) {
  EXPECT_TRUE(IsValue("a\n\x01\xc3\xa9"));
  EXPECT_TRUE(IsValue(""));
  EXPECT_FALSE(IsValue(absl::string_view("a\0", 2)));
  EXPECT_FALSE(IsValue("\xa0"));
}

TEST(TextTest, QuotesOnOneLineAndCutsBetweenCharacters) {
  EXPECT_EQ(Quote("a\"b\n"), "\"a\\\"b\\n\"");
  EXPECT_EQ(Quote(std::string(64, 'x')), "\"" + std::string(64, 'x') + "\"");
  EXPECT_EQ(Quote(std::string(63, 'x') + "\xc3\xa9"), "\"" + std::string(63, 'x') + "...\"");
  EXPECT_LT(Quote(std::string(100'000, 'x')).size(), 80u);
}

TEST(TextTest, ShowsSimpleNamesBare) {
  EXPECT_EQ(ShowName("spec.rules"), "spec.rules");
  EXPECT_EQ(ShowName("a b"), "\"a b\"");
  EXPECT_EQ(ShowName(""), "\"\"");
}

}  // namespace
}  // namespace kith::config
