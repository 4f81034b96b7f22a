#include "source/sidecar/memory_guard.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "test/support/manual_clock.h"

namespace kith::sidecar {
namespace {

using proxy::MemoryPressure;

class MemoryGuardTest : public testing::Test {
 protected:
  // A percentage of the limit is in use.
  void LookAt(uint64_t percent) {
    resident_ = percent;
    guard_.Look();
  }

  const std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  telemetry::Metrics metrics_;
  test::ManualClock clock_;
  uint64_t resident_ = 10;
  std::vector<MemoryPressure> applied_;
  int broken_off_ = 0;
  int given_back_ = 0;
  absl::AnyInvocable<void()> given_;
  MemoryGuard guard_{*loop_,
                     {.limit_bytes = 100,
                      .resident_bytes = [this] { return resident_; },
                      .apply = [this](MemoryPressure now) { applied_.push_back(now); },
                      .break_off = [this] { ++broken_off_; },
                      .give_back =
                          [this](absl::AnyInvocable<void()> done) {
                            ++given_back_;
                            given_ = std::move(done);
                          },
                      .metrics = &metrics_.AddShard(),
                      .clock = &clock_}};
};

TEST_F(MemoryGuardTest, ShedsByMarksAndRecoversBelowThem) {
  for (const uint64_t percent : {70, 79, 80, 75, 89, 90, 83, 81, 75, 71}) LookAt(percent);
  EXPECT_EQ(applied_,
            (std::vector{MemoryPressure::kShedRequests, MemoryPressure::kRefuseConnections,
                         MemoryPressure::kShedRequests, MemoryPressure::kNone}));
  EXPECT_EQ(guard_.pressure(), MemoryPressure::kNone);
  EXPECT_EQ(broken_off_, 0);
}

TEST_F(MemoryGuardTest, SaysOnceWhatItDoes) {
  for (int i = 0; i < 20; ++i) LookAt(95);
  EXPECT_EQ(applied_, std::vector{MemoryPressure::kRefuseConnections});
  EXPECT_TRUE(absl::StrContains(metrics_.Text(), "kith_memory_pressure 2\n")) << metrics_.Text();
  EXPECT_TRUE(absl::StrContains(metrics_.Text(), "kith_memory_resident_bytes 95\n"));
}

TEST_F(MemoryGuardTest, BreaksOffWhatDrainingDoesNotFree) {
  LookAt(95);
  clock_.Advance(MemoryGuard::kRefusePatience - absl::Milliseconds(1));
  LookAt(95);
  EXPECT_EQ(broken_off_, 0);
  clock_.Advance(absl::Milliseconds(1));
  LookAt(95);
  LookAt(95);
  EXPECT_EQ(broken_off_, 1);
  clock_.Advance(MemoryGuard::kRefusePatience);
  LookAt(95);
  EXPECT_EQ(broken_off_, 2);
}

TEST_F(MemoryGuardTest, BreaksOffWhatSheddingDoesNotFree) {
  LookAt(85);
  clock_.Advance(MemoryGuard::kShedPatience - absl::Milliseconds(1));
  LookAt(85);
  EXPECT_EQ(broken_off_, 0);
  clock_.Advance(absl::Milliseconds(1));
  LookAt(85);
  LookAt(85);
  EXPECT_EQ(broken_off_, 1);
  LookAt(50);
  clock_.Advance(absl::Hours(1));
  LookAt(85);
  EXPECT_EQ(broken_off_, 1) << "a new shortage has its own time";
}

TEST_F(MemoryGuardTest, GivesBackWhatIsFreeWhileItIsShort) {
  LookAt(50);
  EXPECT_EQ(given_back_, 0);
  LookAt(85);
  EXPECT_EQ(given_back_, 1);
  clock_.Advance(MemoryGuard::kGiveBack);
  LookAt(85);
  EXPECT_EQ(given_back_, 1) << "the first one is not done";
  std::exchange(given_, nullptr)();
  LookAt(85);
  EXPECT_EQ(given_back_, 2);
}

TEST_F(MemoryGuardTest, ShedsNothingWhereTheSizeIsNotKnown) {
  LookAt(0);
  EXPECT_TRUE(applied_.empty());
}

}  // namespace
}  // namespace kith::sidecar
