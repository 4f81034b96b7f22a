#include "source/event/file_watches.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "test/support/run_until.h"
#include "test/support/temporary_directory.h"

namespace kith::event {
namespace {

class FileWatchesTest : public testing::Test {
 protected:
  bool ToldMoreThan(int before) {
    return test::RunUntil(*loop_, [&] { return changes_ > before; });
  }

  std::unique_ptr<Loop> loop_ = *Loop::Create();
  test::TemporaryDirectory directory_;
  int changes_ = 0;
  FileWatches watches_{*loop_,
                       {.watch = {.poll = absl::ZeroDuration()}, .retry = absl::Milliseconds(20)},
                       [this] { ++changes_; }};
};

TEST_F(FileWatchesTest, TellsOfFilesInSeveralDirectories) {
  const std::string first = directory_.Write("a/one", "1");
  const std::string second = directory_.Write("b/two", "2");
  watches_.Add(first);
  watches_.Add(second);
  watches_.Add("");
  directory_.Write("a/one", "other");
  EXPECT_TRUE(ToldMoreThan(0));
  const int before = changes_;
  directory_.Write("b/two", "other");
  EXPECT_TRUE(ToldMoreThan(before));
}

TEST_F(FileWatchesTest, WatchesADirectoryThatComesLater) {
  watches_.Add(directory_.File("later/file"));
  EXPECT_TRUE(ToldMoreThan(1)) << "every now and then, while it is not there";
  std::filesystem::create_directory(directory_.File("later"));
  // Once it is watched nothing is told until something happens.
  int last = -1;
  EXPECT_TRUE(test::RunUntil(*loop_, [&] {
    if (changes_ == last) return true;
    last = changes_;
    int turns = 0;
    return !test::RunUntil(*loop_, [&] { return ++turns > 50; });
  }));
  const int before = changes_;
  directory_.Write("later/file", "1");
  EXPECT_TRUE(ToldMoreThan(before));
}

}  // namespace
}  // namespace kith::event
