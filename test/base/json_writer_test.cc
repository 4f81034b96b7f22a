#include "source/base/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace kith::base {
namespace {

std::string Quoted(absl::string_view text) {
  std::string out;
  JsonWriter(out).String(text);
  return out;
}

TEST(JsonWriterTest, SeparatesAndNests) {
  std::string out = "prefix ";
  JsonWriter json(out);
  json.BeginObject();
  json.Key("a").Int(-1).Key("b").BeginArray();
  json.String("x").Null().Bool(true).Bool(false).BeginObject().EndObject().BeginArray().EndArray();
  json.EndArray().Key("c").BeginObject().Key("d").Uint(18446744073709551615u).EndObject();
  json.Key("e").Double(0.25).EndObject();
  EXPECT_EQ(out,
            "prefix {\"a\":-1,\"b\":[\"x\",null,true,false,{},[]],"
            "\"c\":{\"d\":18446744073709551615},\"e\":0.25}");
}

TEST(JsonWriterTest, WritesTheExtremesOfNumbers) {
  std::string out;
  JsonWriter json(out);
  json.BeginArray();
  json.Int(std::numeric_limits<int64_t>::min()).Double(1e300).Double(0.1);
  json.Double(std::nan("")).Double(std::numeric_limits<double>::infinity()).EndArray();
  EXPECT_EQ(out, "[-9223372036854775808,1e+300,0.1,null,null]");
}

TEST(JsonWriterTest, EscapesWhatWouldBreakTheString) {
  EXPECT_EQ(Quoted("a\"b\\c\n\t\r"), "\"a\\\"b\\\\c\\n\\t\\r\"");
  EXPECT_EQ(Quoted(absl::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\\u007f\"");
}

TEST(JsonWriterTest, EscapesWhatSomeReadersTakeForALineOrACommand) {
  EXPECT_EQ(Quoted("\xc2\x85\xc2\x9b"), "\"\\u0085\\u009b\"");
  EXPECT_EQ(Quoted("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"");
}

TEST(JsonWriterTest, KeepsUtf8) {
  const char* text = "é ß € 漢 😀 \xf4\x8f\xbf\xbf \xed\x9f\xbf \xee\x80\x80";
  EXPECT_EQ(Quoted(text), std::string("\"") + text + "\"");
}

TEST(JsonWriterTest, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(Quoted("a\x80z"), "\"a\\ufffdz\"");                    // A stray continuation.
  EXPECT_EQ(Quoted("a\xc3"), "\"a\\ufffd\"");                      // Cut short at the end.
  EXPECT_EQ(Quoted("\xe2\x82z"), "\"\\ufffd\\ufffdz\"");           // Cut short within.
  EXPECT_EQ(Quoted("\xc0\xaf"), "\"\\ufffd\\ufffd\"");             // Overlong.
  EXPECT_EQ(Quoted("\xe0\x80\xaf"), "\"\\ufffd\\ufffd\\ufffd\"");  // Overlong.
  EXPECT_EQ(Quoted("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // A surrogate.
  EXPECT_EQ(Quoted("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");  // Beyond the end.
  EXPECT_EQ(Quoted("\xff\xfe"), "\"\\ufffd\\ufffd\"");
}

TEST(JsonWriterTest, WritesAnyBytesSoThatAParserReadsThem) {
  std::mt19937 random(7);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(random() % 12, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() % 128 : random());
    std::string out;
    JsonWriter(out).BeginObject().Key(bytes).String(bytes).EndObject();
    EXPECT_TRUE(nlohmann::json::accept(out)) << out;
    EXPECT_EQ(out.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace kith::base
