#include "source/net/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/types/optional.h"
#include "test/support/run_until.h"

namespace kith::net {
namespace {

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() : loop_(*event::Loop::Create()) {}

  absl::StatusOr<std::vector<std::string>> Resolve(const std::string& name) {
    Resolver resolver(*loop_);
    absl::optional<absl::StatusOr<std::vector<std::string>>> answer;
    resolver.Resolve(name, [&](auto found) { answer = std::move(found); });
    EXPECT_FALSE(answer.has_value()) << "not before it returns";
    EXPECT_TRUE(test::RunUntil(*loop_, [&] { return answer.has_value(); }));
    return *std::move(answer);
  }

  std::unique_ptr<event::Loop> loop_;
};

TEST_F(ResolverTest, FindsThisMachine) {
  const auto found = Resolve("localhost");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, testing::AnyOf(testing::Contains("127.0.0.1"), testing::Contains("::1")));
}

TEST_F(ResolverTest, RefusesWhatIsNoName) {
  EXPECT_FALSE(Resolve("").ok());
  const auto found = Resolve(std::string(300, 'a'));
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(std::string(found.status().message()), testing::HasSubstr("resolve aaa"));
}

TEST_F(ResolverTest, AbandonsItsLookups) {
  bool answered = false;
  {
    Resolver resolver(*loop_);
    resolver.Resolve("localhost", [&](const auto&) { answered = true; });
  }
  int turns = 0;
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return ++turns > 20; }));
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace kith::net
