#include "source/proxy/deadline.h"

#include <gtest/gtest.h>

#include "test/support/run_until.h"

namespace kith::proxy {
namespace {

TEST(DeadlineTest, PassesOnceAfterItsTime) {
  auto loop = *event::Loop::Create();
  int passed = 0;
  Deadline deadline(*loop, [&] { ++passed; });
  deadline.Set(absl::Milliseconds(20));
  EXPECT_TRUE(test::RunUntil(*loop, [&] { return passed > 0; }));
  EXPECT_FALSE(test::RunUntil(
      *loop, [&] { return passed > 1; }, absl::Milliseconds(80)));
}

TEST(DeadlineTest, CanBeMovedBothWays) {
  auto loop = *event::Loop::Create();
  bool passed = false;
  Deadline deadline(*loop, [&] { passed = true; });
  deadline.Set(absl::Milliseconds(20));
  deadline.Set(absl::Hours(1));
  EXPECT_FALSE(test::RunUntil(
      *loop, [&] { return passed; }, absl::Milliseconds(80)));
  deadline.Set(absl::Milliseconds(10));
  EXPECT_TRUE(test::RunUntil(*loop, [&] { return passed; }));
}

TEST(DeadlineTest, NeverPassesOnceClearedOrSetToNothing) {
  auto loop = *event::Loop::Create();
  bool passed = false;
  Deadline deadline(*loop, [&] { passed = true; });
  deadline.Set(absl::Milliseconds(10));
  deadline.Clear();
  EXPECT_FALSE(test::RunUntil(
      *loop, [&] { return passed; }, absl::Milliseconds(50)));
  deadline.Set(absl::Milliseconds(10));
  deadline.Set(absl::ZeroDuration());
  EXPECT_FALSE(test::RunUntil(
      *loop, [&] { return passed; }, absl::Milliseconds(50)));
}

}  // namespace
}  // namespace kith::proxy
