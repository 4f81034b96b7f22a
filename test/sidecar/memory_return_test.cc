#include "source/sidecar/memory_return.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace kith::sidecar {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class MemoryReturnTest : public testing::Test {
 protected:
  void Pass(double cores, size_t mib) {
    usage_.cpu += cores * MemoryReturn::kInterval;
    usage_.resident_bytes = mib * kMiB;
    memory_.Look();
  }
  void Finish(size_t mib) {
    usage_.resident_bytes = mib * kMiB;
    std::exchange(done_, nullptr)();
  }

  const std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  MemoryReturn::Usage usage_;
  int given_back_ = 0;
  absl::AnyInvocable<void()> done_;
  MemoryReturn memory_{*loop_,
                       {.usage = [this] { return usage_; },
                        .give_back =
                            [this](absl::AnyInvocable<void()> done) {
                              ++given_back_;
                              done_ = std::move(done);
                            }}};
};

TEST_F(MemoryReturnTest, GivesBackWhatABurstHasLeftBehind) {
  Pass(0, 20);
  Pass(0.9, 50);
  EXPECT_EQ(given_back_, 0);  // It is busy.
  Pass(0.05, 50);
  EXPECT_EQ(given_back_, 1);
}

TEST_F(MemoryReturnTest, LeavesACalmProcessAloneThatHasNotGrown) {
  Pass(0, 20);
  for (int i = 0; i < 10; ++i) Pass(0.01, 23);
  EXPECT_EQ(given_back_, 0);
}

TEST_F(MemoryReturnTest, TriesEverMoreRarelyForWhatIsReallyInUse) {
  Pass(0, 20);
  for (int i = 0; i < 1000; ++i) {
    Pass(0, 50);
    if (done_) Finish(50);
  }
  EXPECT_GT(given_back_, 8);
  EXPECT_LT(given_back_, 20);
}

TEST_F(MemoryReturnTest, TriesAgainAtOnceAfterAnotherBurst) {
  Pass(0, 20);
  for (int i = 0; i < 100; ++i) {
    Pass(0, 50);
    if (done_) Finish(50);
  }
  const int before = given_back_;
  Pass(0.9, 60);
  Pass(0, 60);
  EXPECT_EQ(given_back_, before + 1);
}

TEST_F(MemoryReturnTest, WaitsUntilItIsDone) {
  Pass(0, 20);
  Pass(0, 50);
  Pass(0, 60);
  EXPECT_EQ(given_back_, 1);
}

TEST_F(MemoryReturnTest, DoesNothingWhereSizesAreNotKnown) {
  for (int i = 0; i < 10; ++i) Pass(0, 0);
  EXPECT_EQ(given_back_, 0);
}

TEST(ProcessUsageTest, SeesWhatThisProcessUses) {
  const MemoryReturn::Usage before = ProcessUsage();
  EXPECT_GT(before.resident_bytes, kMiB);
  std::vector<char> touched(64 * kMiB, 'x');
  const MemoryReturn::Usage after = ProcessUsage();
  EXPECT_GT(after.resident_bytes, before.resident_bytes + 32 * kMiB) << touched[7];
  EXPECT_GT(after.cpu, before.cpu);
}

}  // namespace
}  // namespace kith::sidecar
