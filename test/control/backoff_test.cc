#include "source/control/backoff.h"

#include <gtest/gtest.h>

namespace kith::control {
namespace {

TEST(BackoffTest, DoublesItsCeilingUpToTheLongestWait) {
  Backoff backoff(absl::Milliseconds(50), absl::Milliseconds(300), [] { return 1.0; });
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(50));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(100));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(200));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(300));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(300));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(50));
}

TEST(BackoffTest, WaitsAnywhereBelowTheCeiling) {
  double random = 0.0;
  Backoff backoff(absl::Milliseconds(50), absl::Seconds(5), [&] { return random; });
  EXPECT_EQ(backoff.Next(), absl::ZeroDuration());
  random = 0.5;
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(50));
}

}  // namespace
}  // namespace kith::control
