#include "source/event/loop.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "source/event/timer.h"
#include "test/support/run_until.h"

namespace kith::event {
namespace {

std::unique_ptr<Loop> NewLoop() {
  absl::StatusOr<std::unique_ptr<Loop>> loop = Loop::Create();
  EXPECT_TRUE(loop.ok()) << loop.status();
  return *std::move(loop);
}

class Work final : public EndOfTurn {
 public:
  explicit Work(std::function<void()> run = [] {}) : run_(std::move(run)) {}
  int count() const { return count_; }

 private:
  void OnEndOfTurn() override {
    ++count_;
    run_();
  }

  std::function<void()> run_;
  int count_ = 0;
};

class Doomed final : public Deletable {
 public:
  explicit Doomed(std::function<void()> gone) : gone_(std::move(gone)) {}
  ~Doomed() override { gone_(); }

 private:
  std::function<void()> gone_;
};

TEST(LoopTest, RunsMessagesOfEachThreadInTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kMessages = 2000;
  std::unique_ptr<Loop> loop = NewLoop();
  std::vector<std::vector<int>> seen(kThreads);
  std::thread::id runner;
  int finished = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kMessages; ++i) {
        loop->Post([&, t, i] {
          EXPECT_EQ(std::this_thread::get_id(), runner);
          seen[t].push_back(i);
        });
      }
      loop->Post([&] {
        if (++finished == kThreads) loop->Stop();
      });
    });
  }
  std::thread loop_thread([&] {
    runner = std::this_thread::get_id();
    loop->Run();
  });
  for (std::thread& thread : threads) thread.join();
  loop_thread.join();
  for (const std::vector<int>& messages : seen) {
    ASSERT_EQ(messages.size(), static_cast<size_t>(kMessages));
    for (int i = 0; i < kMessages; ++i) ASSERT_EQ(messages[i], i);
  }
}

TEST(LoopTest, RunsWhatWasPostedBeforeStop) {
  std::unique_ptr<Loop> loop = NewLoop();
  bool ran = false;
  loop->Post([&] { ran = true; });
  loop->Stop();
  loop->Run();
  EXPECT_TRUE(ran);
}

TEST(LoopTest, StopsFromItsOwnThread) {
  std::unique_ptr<Loop> loop = NewLoop();
  Timer timer(*loop, [&] { loop->Stop(); });
  timer.Start(absl::ZeroDuration());
  loop->Run();
  EXPECT_FALSE(timer.active());
}

TEST(LoopTest, RunsWhatAMessagePosts) {
  std::unique_ptr<Loop> loop = NewLoop();
  int depth = 0;
  std::function<void()> post = [&] {
    if (++depth < 10) {
      loop->Post(post);
    } else {
      loop->Stop();
    }
  };
  loop->Post(post);
  loop->Run();
  EXPECT_EQ(depth, 10);
}

TEST(LoopTest, DestroysQueuedWorkWithoutRunningIt) {
  std::unique_ptr<Loop> loop = NewLoop();
  auto held = std::make_shared<int>(1);
  bool ran = false;
  loop->Post([&ran, held] { ran = true; });
  EXPECT_EQ(held.use_count(), 2);
  loop.reset();
  EXPECT_FALSE(ran);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(LoopTest, RunsEndOfTurnWorkOncePerTurn) {
  std::unique_ptr<Loop> loop = NewLoop();
  Work work;
  loop->Post([&] {
    for (int i = 0; i < 10; ++i) loop->AtEndOfTurn(work);
    EXPECT_EQ(work.count(), 0);
  });
  loop->RunOnce();
  EXPECT_EQ(work.count(), 1);
  loop->RunOnce();
  EXPECT_EQ(work.count(), 1);
  loop->AtEndOfTurn(work);
  loop->RunOnce();
  EXPECT_EQ(work.count(), 2);
}

TEST(LoopTest, RunsEndOfTurnWorkOfATimerBeforeWaiting) {
  std::unique_ptr<Loop> loop = NewLoop();
  // Nothing else wakes the loop: without the prepare handle Run() would hang.
  Work work([&] { loop->Stop(); });
  Timer timer(*loop, [&] { loop->AtEndOfTurn(work); });
  timer.Start(absl::Milliseconds(1));
  loop->Run();
  EXPECT_EQ(work.count(), 1);
}

TEST(LoopTest, RunsEndOfTurnWorkInOrderAndWhatItSchedulesInTheSameTurn) {
  std::unique_ptr<Loop> loop = NewLoop();
  std::vector<int> order;
  Work third([&] { order.push_back(3); });
  Work second([&] { order.push_back(2); });
  int again = 3;
  std::unique_ptr<Work> first;
  first = std::make_unique<Work>([&] {
    order.push_back(1);
    loop->AtEndOfTurn(third);
    if (--again > 0) loop->AtEndOfTurn(*first);
  });
  loop->Post([&] {
    loop->AtEndOfTurn(*first);
    loop->AtEndOfTurn(second);
  });
  loop->RunOnce();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 1, 3, 1, 3}));
}

TEST(LoopTest, LetsEventsInWhenEndOfTurnWorkNeverEnds) {
  std::unique_ptr<Loop> loop = NewLoop();
  std::unique_ptr<Work> endless;
  endless = std::make_unique<Work>([&] { loop->AtEndOfTurn(*endless); });
  loop->AtEndOfTurn(*endless);
  bool fired = false;
  Timer timer(*loop, [&] { fired = true; });
  timer.Start(absl::Milliseconds(5));
  EXPECT_TRUE(test::RunUntil(*loop, [&] { return fired; }));
  int before = endless->count();
  loop->RunOnce();
  EXPECT_GT(endless->count(), before);
}

TEST(LoopTest, DoesNotWaitWhileEndOfTurnWorkIsLeft) {
  std::unique_ptr<Loop> loop = NewLoop();
  std::unique_ptr<Work> work;
  work = std::make_unique<Work>([&] {
    if (work->count() == 1000) return loop->Stop();
    loop->AtEndOfTurn(*work);
  });
  loop->AtEndOfTurn(*work);
  Timer too_late(*loop, [&] { loop->Stop(); });
  too_late.Start(absl::Seconds(20));
  loop->Run();
  EXPECT_EQ(work->count(), 1000);
}

TEST(LoopTest, ForgetsEndOfTurnWorkThatIsDestroyed) {
  std::unique_ptr<Loop> loop = NewLoop();
  int ran = 0;
  auto make = [&] { return std::make_unique<Work>([&] { ++ran; }); };
  std::unique_ptr<Work> work[5] = {make(), make(), make(), make(), make()};
  // One destroyed while the list runs, and the first, the middle and the last before.
  Work destroyer([&] { work[3].reset(); });
  loop->AtEndOfTurn(*work[0]);
  loop->AtEndOfTurn(*work[1]);
  loop->AtEndOfTurn(destroyer);
  loop->AtEndOfTurn(*work[2]);
  loop->AtEndOfTurn(*work[3]);
  loop->AtEndOfTurn(*work[4]);
  work[0].reset();
  work[2].reset();
  work[4].reset();
  loop->RunOnce();
  EXPECT_EQ(ran, 1);
}

TEST(LoopTest, DestroysLaterOutsideTheCallback) {
  std::unique_ptr<Loop> loop = NewLoop();
  std::vector<std::string> order;
  int again = 1;
  std::unique_ptr<Work> work;
  work = std::make_unique<Work>([&] {
    order.push_back("end of turn");
    if (again-- > 0) loop->AtEndOfTurn(*work);
  });
  loop->Post([&] {
    loop->DeleteLater(std::make_unique<Doomed>([&] { order.push_back("gone"); }));
    loop->AtEndOfTurn(*work);
    order.push_back("callback");
  });
  loop->RunOnce();
  EXPECT_EQ(order, (std::vector<std::string>{"callback", "end of turn", "end of turn", "gone"}));
}

TEST(LoopTest, DestroysWhatADestructorHandsOver) {
  std::unique_ptr<Loop> loop = NewLoop();
  bool inner_gone = false;
  Work work;
  loop->DeleteLater(std::make_unique<Doomed>([&] {
    loop->DeleteLater(std::make_unique<Doomed>([&] { inner_gone = true; }));
    loop->AtEndOfTurn(work);
  }));
  loop->RunOnce();
  EXPECT_TRUE(inner_gone);
  EXPECT_EQ(work.count(), 1);
}

TEST(LoopTest, DestroysWhatIsLeftWhenItIsDestroyed) {
  std::unique_ptr<Loop> loop = NewLoop();
  auto held = std::make_shared<int>(1);
  Loop& alive = *loop;
  // A message holds an object whose destructor dooms another, which owns a timer.
  auto doomed = std::make_shared<Doomed>([&alive, held] {
    auto timer = std::make_shared<Timer>(alive, [] {});
    alive.DeleteLater(std::make_unique<Doomed>([timer, held] {}));
  });
  loop->Post([doomed] {});
  doomed.reset();
  loop.reset();
  EXPECT_EQ(held.use_count(), 1);
}

class Stays final : public Lingering {
 public:
  void Abandon() override { abandoned = true; }
  bool abandoned = false;
};

TEST(LoopTest, AbandonsWhatLingersOnlyWhenItIsDestroyed) {
  std::unique_ptr<Loop> loop = NewLoop();
  Stays stays, ended;
  loop->Linger(stays);
  loop->Linger(ended);
  loop->StopLingering(ended);
  loop->RunOnce();
  EXPECT_FALSE(stays.abandoned);
  loop.reset();
  EXPECT_TRUE(stays.abandoned);
  EXPECT_FALSE(ended.abandoned);
}

TEST(LoopTest, IgnoresBrokenPipes) {
  std::unique_ptr<Loop> loop = NewLoop();
  struct sigaction action;
  ASSERT_EQ(sigaction(SIGPIPE, nullptr, &action), 0);
  EXPECT_EQ(action.sa_handler, SIG_IGN);
}

TEST(LoopTest, TellsWhetherAnythingIsActive) {
  std::unique_ptr<Loop> loop = NewLoop();
  EXPECT_FALSE(loop->RunOnce());
  Timer timer(*loop, [] {});
  timer.Start(absl::Hours(1));
  EXPECT_TRUE(loop->RunOnce());
}

TEST(LoopDeathTest, RefusesHandlesThatOutliveIt) {
  EXPECT_DEATH(
      {
        std::unique_ptr<Loop> loop = NewLoop();
        new Timer(*loop, [] {});
        loop.reset();
      },
      "outlives its loop");
}

TEST(LoopDeathTest, RefusesToLendTheReadScratchTwice) {
  std::unique_ptr<Loop> loop = NewLoop();
  EXPECT_FALSE(loop->read_scratch().empty());
  loop->ReturnReadScratch();
  EXPECT_NE(loop->read_scratch().data(), loop->plaintext_scratch().data());
  EXPECT_DEATH(loop->read_scratch(), "lent while");
  loop->ReturnReadScratch();
}

TEST(LoopDeathTest, RefusesToRunInsideItself) {
  std::unique_ptr<Loop> loop = NewLoop();
  loop->Post([&] { loop->RunOnce(); });
  EXPECT_DEATH(loop->RunOnce(), "run inside itself");
}

}  // namespace
}  // namespace kith::event
