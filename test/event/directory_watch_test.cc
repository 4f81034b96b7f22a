#include "source/event/directory_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "source/event/timer.h"
#include "test/support/run_until.h"
#include "test/support/temporary_directory.h"

namespace kith::event {
namespace {

class DirectoryWatchTest : public testing::Test {
 protected:
  void Watch(const std::string& path, DirectoryWatch::Options options = {}) {
    absl::StatusOr<std::unique_ptr<DirectoryWatch>> watch =
        DirectoryWatch::Create(*loop_, path, options, [this] { ++changes_; });
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *std::move(watch);
  }

  // One more call than before, and the events it gathered are over.
  bool Told() {
    int before = std::exchange(told_, told_ + 1);
    return test::RunUntil(*loop_, [&] { return changes_ > before; });
  }

  // Lets the loop turn for a while in which nothing should be told.
  void Pass(absl::Duration time) {
    bool over = false;
    Timer timer(*loop_, [&] { over = true; });
    timer.Start(time);
    ASSERT_TRUE(test::RunUntil(*loop_, [&] { return over; }));
  }

  // Without the slow poll, so that only events can be what told.
  static DirectoryWatch::Options EventsOnly() {
    DirectoryWatch::Options options;
    options.poll = absl::ZeroDuration();
    return options;
  }

  test::TemporaryDirectory directory_;
  std::unique_ptr<Loop> loop_ = *Loop::Create();
  int changes_ = 0;
  int told_ = 0;
  std::unique_ptr<DirectoryWatch> watch_;
};

TEST_F(DirectoryWatchTest, TellsOfFilesWrittenRenamedAndRemoved) {
  Watch(directory_.path(), EventsOnly());
  directory_.Write("a.yaml", "one");
  EXPECT_TRUE(Told());
  directory_.Write("a.yaml", "two");
  EXPECT_TRUE(Told());
  ASSERT_EQ(rename(directory_.File("a.yaml").c_str(), directory_.File("b.yaml").c_str()), 0);
  EXPECT_TRUE(Told());
  ASSERT_EQ(unlink(directory_.File("b.yaml").c_str()), 0);
  EXPECT_TRUE(Told());
  EXPECT_EQ(changes_, 4);
}

TEST_F(DirectoryWatchTest, TellsOfSymlinksSwappedAsKubernetesDoes) {
  directory_.Write("..1/config.yaml", "one");
  directory_.Write("..2/config.yaml", "two");
  ASSERT_EQ(symlink("..1", directory_.File("..data").c_str()), 0);
  ASSERT_EQ(symlink("..data/config.yaml", directory_.File("config.yaml").c_str()), 0);
  Watch(directory_.path(), EventsOnly());
  ASSERT_EQ(symlink("..2", directory_.File("..data_tmp").c_str()), 0);
  ASSERT_EQ(rename(directory_.File("..data_tmp").c_str(), directory_.File("..data").c_str()), 0);
  EXPECT_TRUE(Told());
  EXPECT_EQ(directory_.Read("config.yaml"), "two");
}

TEST_F(DirectoryWatchTest, GathersABurstIntoOneCall) {
  DirectoryWatch::Options options = EventsOnly();
  options.quiet = absl::Milliseconds(100);
  options.longest = absl::Seconds(20);
  Watch(directory_.path(), options);
  for (int i = 0; i < 50; ++i) {
    directory_.Write(std::to_string(i), "x");
    loop_->RunOnce();
  }
  EXPECT_EQ(changes_, 0);
  EXPECT_TRUE(Told());
  Pass(absl::Milliseconds(150));
  EXPECT_EQ(changes_, 1);
}

TEST_F(DirectoryWatchTest, TellsInTheEndThoughItIsNeverQuiet) {
  DirectoryWatch::Options options = EventsOnly();
  options.quiet = absl::Seconds(60);
  options.longest = absl::Milliseconds(50);
  Watch(directory_.path(), options);
  directory_.Write("a", "x");
  EXPECT_TRUE(Told());
}

TEST_F(DirectoryWatchTest, FindsByPollingWhatEventsDoNotTell) {
  // The file's content lies outside the directory, where no event is seen.
  test::TemporaryDirectory elsewhere;
  elsewhere.Write("target", "one");
  ASSERT_EQ(symlink(elsewhere.File("target").c_str(), directory_.File("link").c_str()), 0);
  DirectoryWatch::Options options;
  options.poll = absl::Milliseconds(20);
  Watch(directory_.path(), options);
  Pass(absl::Milliseconds(200));
  EXPECT_EQ(changes_, 0);
  elsewhere.Write("target", "one and two");
  EXPECT_TRUE(Told());
  Pass(absl::Milliseconds(200));
  EXPECT_EQ(changes_, 1);
}

TEST_F(DirectoryWatchTest, FollowsItsPathToANewDirectory) {
  std::string path = directory_.File("config");
  directory_.Write("config/a", "x");
  DirectoryWatch::Options options;
  options.poll = absl::Milliseconds(20);
  Watch(path, options);
  std::filesystem::remove_all(path);
  EXPECT_TRUE(Told());
  directory_.Write("config/b", "x");
  EXPECT_TRUE(Told());
  Pass(absl::Milliseconds(100));

  // The new directory is watched by events again: polling cannot see an unchanged signature.
  int before = changes_;
  ASSERT_EQ(utimensat(AT_FDCWD, (path + "/b").c_str(), nullptr, 0), 0);
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return changes_ > before; }));
}

TEST_F(DirectoryWatchTest, FollowsADirectoryReplacedByRename) {
  directory_.Write("config/a", "x");
  directory_.Write("next/a", "x");
  DirectoryWatch::Options options;
  options.poll = absl::Milliseconds(20);
  Watch(directory_.File("config"), options);
  ASSERT_EQ(rename(directory_.File("config").c_str(), directory_.File("old").c_str()), 0);
  ASSERT_EQ(rename(directory_.File("next").c_str(), directory_.File("config").c_str()), 0);
  EXPECT_TRUE(Told());
  Pass(absl::Milliseconds(200));
  int before = changes_;
  directory_.Write("old/c", "x");  // No longer of interest.
  Pass(absl::Milliseconds(200));
  EXPECT_EQ(changes_, before);
}

TEST_F(DirectoryWatchTest, IsDestroyedInsideItsCallback) {
  absl::StatusOr<std::unique_ptr<DirectoryWatch>> watch =
      DirectoryWatch::Create(*loop_, directory_.path(), {}, [this] {
        ++changes_;
        watch_.reset();
      });
  ASSERT_TRUE(watch.ok()) << watch.status();
  watch_ = *std::move(watch);
  directory_.Write("a", "x");
  EXPECT_TRUE(Told());
  directory_.Write("b", "x");
  Pass(absl::Milliseconds(150));
  EXPECT_EQ(changes_, 1);
}

TEST_F(DirectoryWatchTest, RefusesWhatIsNoDirectory) {
  absl::StatusOr<std::unique_ptr<DirectoryWatch>> missing =
      DirectoryWatch::Create(*loop_, directory_.File("missing"), {}, [] {});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()),
              testing::HasSubstr(directory_.File("missing")));
  absl::StatusOr<std::unique_ptr<DirectoryWatch>> file =
      DirectoryWatch::Create(*loop_, directory_.Write("file", ""), {}, [] {});
  EXPECT_EQ(file.status().code(), absl::StatusCode::kFailedPrecondition) << file.status();
}

}  // namespace
}  // namespace kith::event
