#include "source/base/status.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/time/clock.h"
#include "source/base/check.h"
#include "source/base/clock.h"
#include "test/support/manual_clock.h"

namespace kith::base {
namespace {

absl::StatusOr<std::unique_ptr<int>> Make(bool well) {
  if (!well) return absl::NotFoundError("nothing there");
  return std::make_unique<int>(7);
}

absl::Status Use(bool first, bool second) {
  KITH_ASSIGN_OR_RETURN(std::unique_ptr<int> one, Make(first));
  KITH_ASSIGN_OR_RETURN(std::unique_ptr<int> two, Make(second));
  KITH_RETURN_IF_ERROR(absl::OkStatus());
  return *one + *two == 14 ? absl::OkStatus() : absl::InternalError("lost");
}

TEST(StatusTest, AnnotatesErrorsOnly) {
  absl::Status annotated = Annotate(absl::NotFoundError("no file"), "read key");
  EXPECT_EQ(annotated, absl::NotFoundError("read key: no file"));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "read key").ok());
}

TEST(StatusTest, ReturnsTheFirstErrorOrGoesOn) {
  EXPECT_TRUE(Use(true, true).ok());
  EXPECT_EQ(Use(false, true).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Use(true, false).code(), absl::StatusCode::kNotFound);
}

TEST(CheckDeathTest, SaysWhereAndWhy) {
  int answer = 41;
  KITH_CHECK(answer == 41, "not reached");
  EXPECT_DEATH(KITH_CHECK(answer == 42, "the answer is wrong"),
               "status_test.cc:[0-9]+: broken invariant: the answer is wrong \\(answer == 42\\)");
}

TEST(ClockTest, FollowsTheMachine) {
  EXPECT_LT(absl::AbsDuration(Clock::System().Now() - absl::Now()), absl::Seconds(10));
}

TEST(ManualClockTest, MovesOnlyByHand) {
  test::ManualClock clock;
  absl::Time start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now(), start + absl::Seconds(5));
  clock.Set(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
}

}  // namespace
}  // namespace kith::base
