#include "source/telemetry/text_format.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"
#include "source/telemetry/families.h"

namespace kith::telemetry {
namespace {

std::string Number(double value) {
  std::string out;
  AppendNumber(value, out);
  return out;
}

std::string Label(absl::string_view value) {
  std::string out;
  AppendLabel("a", value, out);
  return out;
}

TEST(TextFormatTest, WritesNumbersThatReadBackTheSame) {
  EXPECT_EQ(Number(0), "0");
  EXPECT_EQ(Number(0.25), "0.25");
  EXPECT_EQ(Number(-3), "-3");
  EXPECT_EQ(Number(0.0005), "0.0005");
  EXPECT_EQ(Number(1e9), "1000000000");
  EXPECT_EQ(Number(1763697402), "1763697402");
  EXPECT_EQ(Number(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(Number(-std::numeric_limits<double>::infinity()), "-Inf");
  EXPECT_EQ(Number(std::nan("")), "NaN");
  for (double value : {1234567.25, 0.1 + 0.2, 1e300, 5e-324, 9007199254740993.0}) {
    double read = 0;
    ASSERT_TRUE(absl::SimpleAtod(Number(value), &read)) << Number(value);
    EXPECT_EQ(read, value);
  }
}

TEST(TextFormatTest, EscapesWhatWouldEndALabelOrALine) {
  EXPECT_EQ(Label("plain"), R"(a="plain")");
  EXPECT_EQ(Label(""), R"(a="")");
  EXPECT_EQ(Label("x\"y\\z\n"), R"(a="x\"y\\z\n")");
  EXPECT_EQ(Label(absl::string_view("\0", 1)), std::string("a=\"\0\"", 5));
}

TEST(TextFormatTest, KeepsUtf8AndReplacesWhatIsNone) {
  EXPECT_EQ(Label("gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91"),
            "a=\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91\"");
  constexpr absl::string_view kReplaced = "a=\"\xef\xbf\xbd\"";
  EXPECT_EQ(Label("\xff"), kReplaced);
  EXPECT_EQ(Label("\x80"), kReplaced);
  EXPECT_EQ(Label("\xc3"), kReplaced);
  EXPECT_EQ(Label("\xc0\xaf"), "a=\"\xef\xbf\xbd\xef\xbf\xbd\"");                  // Overlong.
  EXPECT_EQ(Label("\xed\xa0\x80"), "a=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");  // Surrogate.
  EXPECT_EQ(Label("\xf4\x90\x80\x80").size(), 4 + 4 * 3u);                         // Too high.
  EXPECT_EQ(Label("\xe2\x82\""), "a=\"\xef\xbf\xbd\xef\xbf\xbd\\\"\"");  // The quote is not eaten.
}

TEST(TextFormatTest, SaysTypeAndHelpOfAFamily) {
  std::string out;
  AppendHeader(kXdsConnections, out);
  EXPECT_EQ(out,
            "# HELP kith_xds_connections Sidecars connected for configuration.\n"
            "# TYPE kith_xds_connections gauge\n");
}

}  // namespace
}  // namespace kith::telemetry
