#include "source/event/timer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <uv.h>

#include <memory>
#include <string>
#include <utility>

#include "source/event/signal.h"
#include "source/event/uv_error.h"
#include "test/support/run_until.h"

namespace kith::event {
namespace {

class TimerTest : public testing::Test {
 protected:
  std::unique_ptr<Loop> loop_ = *Loop::Create();
};

TEST_F(TimerTest, FiresOnceNotBeforeItsTime) {
  int fired = 0;
  Timer timer(*loop_, [&] { ++fired; });
  uint64_t start = uv_hrtime();
  timer.Start(absl::Milliseconds(20));
  EXPECT_TRUE(timer.active());
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return fired > 0; }));
  EXPECT_GE(uv_hrtime() - start, 18'000'000u);
  EXPECT_FALSE(timer.active());
  loop_->RunOnce();
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, CountsFromNowEvenIfTheLoopHasBeenBusy) {
  bool fired = false;
  Timer timer(*loop_, [&] { fired = true; });
  // The loop still believes it is earlier.
  uint64_t until = uv_hrtime() + 30'000'000;
  while (uv_hrtime() < until) {
  }
  uint64_t start = uv_hrtime();
  timer.Start(absl::Milliseconds(20));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return fired; }));
  EXPECT_GE(uv_hrtime() - start, 18'000'000u);
}

TEST_F(TimerTest, RoundsUpToAMillisecond) {
  std::string order;
  Timer shorter(*loop_, [&] { order += 's'; });
  Timer longer(*loop_, [&] { order += 'l'; });
  // Both are due after two milliseconds, and those of one time fire in the order of their start.
  longer.Start(absl::Milliseconds(2));
  shorter.Start(absl::Microseconds(1001));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return order.size() == 2; }));
  EXPECT_EQ(order, "ls");
}

TEST_F(TimerTest, TakesAnyDelay) {
  int fired = 0;
  Timer timer(*loop_, [&] { ++fired; });
  timer.Start(absl::Seconds(-5));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return fired > 0; }));
  timer.Start(absl::InfiniteDuration());
  loop_->RunOnce();
  EXPECT_TRUE(timer.active());
}

TEST_F(TimerTest, RepeatsUntilStopped) {
  int fired = 0;
  Timer timer(*loop_, [&] {
    if (++fired == 3) timer.Stop();
  });
  timer.StartRepeating(absl::Milliseconds(1));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return fired == 3; }));
  bool later = false;
  Timer witness(*loop_, [&] { later = true; });
  witness.Start(absl::Milliseconds(10));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return later; }));
  EXPECT_EQ(fired, 3);
}

TEST_F(TimerTest, RestartsInsideItsCallback) {
  int fired = 0;
  Timer timer(*loop_, [&] {
    if (++fired < 3) timer.Start(absl::Milliseconds(1));
  });
  timer.Start(absl::Milliseconds(1));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return fired == 3; }));
  EXPECT_FALSE(timer.active());
}

TEST_F(TimerTest, ReplacesAnEarlierStart) {
  bool fired = false;
  Timer timer(*loop_, [&] { fired = true; });
  timer.Start(absl::Hours(1));
  timer.Start(absl::Milliseconds(1));
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return fired; }));
}

TEST_F(TimerTest, IsDestroyedInsideItsCallback) {
  std::unique_ptr<Timer> timer;
  auto held = std::make_shared<int>(7);
  int seen = 0;
  timer = std::make_unique<Timer>(*loop_, [&timer, &seen, held] {
    timer.reset();
    seen = *held;  // What the callback holds is still there.
  });
  timer->StartRepeating(absl::Milliseconds(1));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return seen == 7; }));
  loop_.reset();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TimerTest, IsSilentOnceDestroyed) {
  bool fired = false;
  auto timer = std::make_unique<Timer>(*loop_, [&] { fired = true; });
  timer->Start(absl::ZeroDuration());
  timer.reset();
  loop_->RunOnce();
  loop_->RunOnce();
  EXPECT_FALSE(fired);
}

TEST_F(TimerTest, IsSilentOnceStopped) {
  bool fired = false;
  Timer timer(*loop_, [&] { fired = true; });
  timer.Start(absl::ZeroDuration());
  timer.Stop();
  loop_->RunOnce();
  EXPECT_FALSE(fired);
  EXPECT_FALSE(timer.active());
}

TEST_F(TimerTest, SharesItsLoopWithSignals) {
  int received = 0;
  std::unique_ptr<Signal> signal;
  absl::StatusOr<std::unique_ptr<Signal>> created = Signal::Create(*loop_, SIGUSR1, [&] {
    ++received;
    signal.reset();
  });
  ASSERT_TRUE(created.ok()) << created.status();
  signal = *std::move(created);
  raise(SIGUSR1);
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return received == 1; }));
}

TEST_F(TimerTest, RefusesSignalsThatCannotBeCaught) {
  absl::StatusOr<std::unique_ptr<Signal>> signal = Signal::Create(*loop_, SIGKILL, [] {});
  EXPECT_EQ(signal.status().code(), absl::StatusCode::kInvalidArgument) << signal.status();
}

TEST(UvErrorTest, SaysWhatWasAttemptedAndWhatToCheck) {
  absl::Status status = UvError(UV_EADDRINUSE, "listen on 127.0.0.1:1", "look with ss");
  EXPECT_EQ(status.message(), "listen on 127.0.0.1:1: address already in use; look with ss");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(UvError(UV_ECONNREFUSED, "connect").message(), "connect: connection refused");
  EXPECT_EQ(UvError(-13, "read").code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace kith::event
