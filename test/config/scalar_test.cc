#include "source/config/scalar.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace kith::config {
namespace {

Node Plain(absl::string_view text) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.plain = true;
  node.text = std::string(text);
  return node;
}

Node Quoted(absl::string_view text) {
  Node node = Plain(text);
  node.plain = false;
  return node;
}

TEST(ScalarTest, TellsTextFromNumbersAndBooleans) {
  for (absl::string_view text : {"yes", "No", "TRUE", "off", "on", "false"}) {
    EXPECT_EQ(MeaningOf(text), Meaning::kBoolean) << text;
  }
  for (absl::string_view text : {"0", "8080", "-1", "+1", "1.5", "1e3", ".5", "0x1F", "0o17",
                                 "0644", "1_000", ".inf", "-.INF", ".nan", "1."}) {
    EXPECT_EQ(MeaningOf(text), Meaning::kNumber) << text;
  }
  for (absl::string_view text :
       {"a", "v1", "1.10.2", "10.0.0.1", "1h", "-", ".", "e", "-e3", "inf", "nan", "infinity", "0x",
        "0xg", "2024-01-01T00:00:00Z", "truely", "*", "8080a"}) {
    EXPECT_EQ(MeaningOf(text), Meaning::kText) << text;
  }
}

TEST(ScalarTest, AsksForQuotesWhereAStringLooksLikeANumber) {
  EXPECT_EQ(ReadString(Plain("8080")).status().message(),
            "needs a string, found a number; put it in quotes: \"8080\"");
  EXPECT_EQ(ReadString(Plain("yes")).status().message(),
            "needs a string, found a boolean; put it in quotes: \"yes\"");
  EXPECT_EQ(*ReadString(Quoted("8080")), "8080");
  EXPECT_EQ(*ReadString(Quoted("")), "");
  EXPECT_EQ(*ReadString(Plain("v1")), "v1");
}

TEST(ScalarTest, ReadsOnlyTrueAndFalse) {
  EXPECT_TRUE(*ReadBool(Plain("true")));
  EXPECT_FALSE(*ReadBool(Plain("false")));
  for (absl::string_view text : {"True", "yes", "1", "on", ""})
    EXPECT_FALSE(ReadBool(Plain(text)).ok());
  EXPECT_EQ(ReadBool(Quoted("true")).status().message(),
            "needs true or false; remove the quotes: true");
}

TEST(ScalarTest, BoundsIntegers) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(*ReadInt(Plain("-9223372036854775808"), kMin, kMax), kMin);
  EXPECT_FALSE(ReadInt(Plain("9223372036854775808"), kMin, kMax).ok());
  EXPECT_EQ(*ReadUint(Plain("18446744073709551615"), UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(ReadUint(Plain("65536"), 65535).status().message(),
            "out of range: 65536; must be between 0 and 65535");
  EXPECT_EQ(ReadUint(Plain("-1"), 65535).status().message(),
            "out of range: -1; must be between 0 and 65535");
  EXPECT_EQ(ReadUint(Quoted("80"), 65535).status().message(),
            "needs an integer; remove the quotes: 80");
  for (absl::string_view text : {"0x10", "010", "1e3", "1.0", "+1", " 1", "", "-", "1_000", "a"}) {
    EXPECT_FALSE(ReadUint(Plain(text), 65535).ok()) << text;
    EXPECT_FALSE(ReadInt(Plain(text), kMin, kMax).ok()) << text;
  }
  EXPECT_EQ(*ReadInt(Plain("0"), kMin, kMax), 0);
}

TEST(ScalarTest, ReadsDurationsWithUnits) {
  EXPECT_EQ(*ReadDuration(Plain("90s")), absl::Seconds(90));
  EXPECT_EQ(*ReadDuration(Quoted("1h30m")), absl::Minutes(90));
  EXPECT_EQ(*ReadDuration(Plain("500ms")), absl::Milliseconds(500));
  EXPECT_EQ(*ReadDuration(Plain("0")), absl::ZeroDuration());
  EXPECT_EQ(ReadDuration(Plain("5")).status().message(),
            "needs a duration such as \"90s\", \"1h30m\" or \"500ms\", found \"5\"; which unit?");
  for (absl::string_view text : {"-5s", "inf", "-inf", "9999999999h", "1d", "", "s"}) {
    EXPECT_FALSE(ReadDuration(Plain(text)).ok()) << text;
  }
}

TEST(ScalarTest, ReadsFiniteNumbers) {
  EXPECT_EQ(*ReadDouble(Plain("1.5")), 1.5);
  EXPECT_EQ(*ReadDouble(Plain("-3")), -3);
  for (absl::string_view text : {".inf", ".nan", "1e999", "x", ""}) {
    EXPECT_FALSE(ReadDouble(Plain(text)).ok()) << text;
  }
  EXPECT_FALSE(ReadDouble(Quoted("1.5")).ok());
}

TEST(ScalarTest, ReadsBase64) {
  EXPECT_EQ(*ReadBytes(Plain("aGk=")), "hi");
  EXPECT_FALSE(ReadBytes(Plain("a?")).ok());
}

TEST(ScalarTest, NamesWhatWasFoundInstead) {
  Node list;
  list.kind = Node::Kind::kSequence;
  EXPECT_EQ(ReadString(list).status().message(), "needs a string, found a list");
  EXPECT_EQ(ReadBool(Node{}).status().message(), "needs true or false, is empty");
}

}  // namespace
}  // namespace kith::config
