#include "source/control/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "test/support/temporary_directory.h"

namespace kith::control {
namespace {

using ::testing::HasSubstr;

class TokenTest : public ::testing::Test {
 protected:
  std::string Error(const std::string& content) {
    const auto token = ReadToken(directory_.Write("token", content));
    EXPECT_FALSE(token.ok());
    return std::string(token.status().message());
  }
  test::TemporaryDirectory directory_;
};

TEST_F(TokenTest, LeavesOutTheWhiteSpaceAroundIt) {
  EXPECT_EQ(*ReadToken(directory_.Write("token", " \n a.b-c_d.e \r\n\n")), "a.b-c_d.e");
}

TEST_F(TokenTest, NamesAFileThatIsMissing) {
  const auto token = ReadToken(directory_.File("absent"));
  EXPECT_EQ(token.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(token.status().message()), HasSubstr(directory_.File("absent")));
}

TEST_F(TokenTest, RefusesAnEmptyFile) { EXPECT_THAT(Error("\n \n"), HasSubstr("empty")); }

TEST_F(TokenTest, TakesSixteenKibibytesAndNotOneMore) {
  EXPECT_TRUE(ReadToken(directory_.Write("token", std::string(kMaxTokenBytes, 'a'))).ok());
  EXPECT_THAT(Error(std::string(kMaxTokenBytes + 1, 'a')), HasSubstr("16 KiB"));
  EXPECT_THAT(Error(std::string(100 * kMaxTokenBytes, 'a')), HasSubstr("16 KiB"));
}

TEST_F(TokenTest, RefusesBytesThatWouldBreakAHeader) {
  for (const absl::string_view content :
       {absl::string_view("a\nb"), absl::string_view("a b"), absl::string_view("a\0b", 3),
        absl::string_view("a\x80")}) {
    EXPECT_THAT(Error(std::string(content)), HasSubstr("bytes that no token has"));
  }
}

TEST_F(TokenTest, ShowsNothingOfTheToken) {
  EXPECT_THAT(Error("secret\nsecret"), ::testing::Not(HasSubstr("secret")));
}

TEST_F(TokenTest, DoesNotWaitForAPipe) {
  ASSERT_EQ(mkfifo(directory_.File("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(ReadToken(directory_.File("pipe")).ok());
}

TEST_F(TokenTest, RefusesADirectory) { EXPECT_FALSE(ReadToken(directory_.path()).ok()); }

}  // namespace
}  // namespace kith::control
