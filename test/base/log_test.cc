#include "source/base/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace kith::base {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { SetLogLevel(LogLevel::kInfo); }

  std::string Captured(LogLevel level, absl::string_view message) {
    testing::internal::CaptureStderr();
    Log(level, "component", message, {{"peer", "10.0.0.7:80"}, {"bytes", "\xff\n"}});
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  std::string line = Captured(LogLevel::kWarning, "something\nhappened");
  ASSERT_FALSE(line.empty());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  nlohmann::json json = nlohmann::json::parse(line);
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["component"], "component");
  EXPECT_EQ(json["message"], "something\nhappened");
  EXPECT_EQ(json["peer"], "10.0.0.7:80");
  std::string time = json["time"];
  ASSERT_EQ(time.size(), 24u) << time;
  EXPECT_EQ(time[10], 'T');
  EXPECT_EQ(time[19], '.');
  EXPECT_EQ(time[23], 'Z');
}

TEST_F(LogTest, DropsLinesBelowItsLevel) {
  EXPECT_EQ(Captured(LogLevel::kDebug, "m"), "");
  EXPECT_NE(Captured(LogLevel::kInfo, "m"), "");
  SetLogLevel(LogLevel::kError);
  EXPECT_EQ(Captured(LogLevel::kWarning, "m"), "");
  EXPECT_NE(Captured(LogLevel::kError, "m"), "");
  SetLogLevel(LogLevel::kDebug);
  EXPECT_NE(Captured(LogLevel::kDebug, "m"), "");
}

TEST_F(LogTest, ReadsTheNamesOfLevels) {
  LogLevel level = LogLevel::kInfo;
  EXPECT_TRUE(ParseLogLevel("debug", level));
  EXPECT_EQ(level, LogLevel::kDebug);
  EXPECT_TRUE(ParseLogLevel("error", level));
  EXPECT_EQ(level, LogLevel::kError);
  EXPECT_FALSE(ParseLogLevel("verbose", level));
  EXPECT_FALSE(ParseLogLevel("", level));
  EXPECT_EQ(level, LogLevel::kError);
}

}  // namespace
}  // namespace kith::base
