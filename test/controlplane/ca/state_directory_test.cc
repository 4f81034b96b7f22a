#include "source/controlplane/ca/state_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
  struct stat facts;
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777 : 0;
}

TEST(StateDirectoryTest, IsMadeForItsOwnerOnly) {
  test::TemporaryDirectory directory;
  auto state = StateDirectory::Open(directory.File("state/"));
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(ModeOf(directory.File("state")), 0700u);
  EXPECT_EQ((*state)->path(), directory.File("state"));
}

TEST(StateDirectoryTest, ReplacesFilesWholeWithTheirMode) {
  test::TemporaryDirectory directory;
  auto state = StateDirectory::Open(directory.File("state"));
  ASSERT_TRUE(state.ok()) << state.status();
  // What a crash in the middle of an earlier write leaves.
  directory.Write("state/key.pem.new", "half");
  ASSERT_TRUE((*state)->Write("key.pem", "one", 0644).ok());
  ASSERT_TRUE((*state)->Write("key.pem", "two", 0600).ok());
  EXPECT_EQ(directory.Read("state/key.pem"), "two");
  EXPECT_EQ(ModeOf(directory.File("state/key.pem")), 0600u);
  EXPECT_FALSE(std::filesystem::exists(directory.File("state/key.pem.new")));
  EXPECT_EQ(*(*state)->Read("key.pem"), "two");
}

TEST(StateDirectoryTest, TellsAMissingFileFromOneThatCannotBeRead) {
  test::TemporaryDirectory directory;
  auto state = StateDirectory::Open(directory.File("state"));
  ASSERT_TRUE(state.ok()) << state.status();
  auto missing = (*state)->Read("nothing");
  ASSERT_TRUE(missing.ok());
  EXPECT_FALSE(missing->has_value());
  std::filesystem::create_directory(directory.File("state/folder"));
  EXPECT_FALSE((*state)->Read("folder").ok());
}

TEST(StateDirectoryTest, KeepsTheOldFileWhenTheNewOneCannotBeWritten) {
  test::TemporaryDirectory directory;
  directory.Write("folder/inside", "x");
  absl::Status status = WriteFileAtomically(directory.File("folder"), "content", 0600);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(directory.File("folder")));
  EXPECT_EQ(directory.Read("folder/inside"), "x");
  EXPECT_FALSE(std::filesystem::exists(directory.File("folder.new")));
}

TEST(StateDirectoryTest, LetsOnlyOneProcessIn) {
  test::TemporaryDirectory directory;
  auto first = StateDirectory::Open(directory.File("state"));
  ASSERT_TRUE(first.ok());
  auto second = StateDirectory::Open(directory.File("state"));
  EXPECT_THAT(second.status().message(), HasSubstr("another control plane is using it"));
  first->reset();
  EXPECT_TRUE(StateDirectory::Open(directory.File("state")).ok());
}

TEST(StateDirectoryTest, RefusesWhatIsNotSafeOrNotThere) {
  test::TemporaryDirectory directory;
  EXPECT_THAT(StateDirectory::Open("").status().message(), HasSubstr("state_directory"));
  EXPECT_THAT(StateDirectory::Open(directory.File("no/such")).status().message(),
              HasSubstr("No such file or directory"));
  std::string file = directory.Write("file", "");
  EXPECT_THAT(StateDirectory::Open(file).status().message(), HasSubstr("Not a directory"));
  std::filesystem::create_directory(directory.File("open"));
  ASSERT_EQ(::chmod(directory.File("open").c_str(), 0777), 0);
  EXPECT_THAT(StateDirectory::Open(directory.File("open")).status().message(),
              HasSubstr("chmod 700"));
  if (::geteuid() != 0) {  // Nothing is read-only for root.
    std::filesystem::create_directory(directory.File("shut"));
    ASSERT_EQ(::chmod(directory.File("shut").c_str(), 0500), 0);
    EXPECT_THAT(StateDirectory::Open(directory.File("shut")).status().message(),
                HasSubstr("give it to the user"));
  }
}

TEST(ReadFileTest, RefusesFilesBeyondTheLimit) {
  test::TemporaryDirectory directory;
  std::string file = directory.Write("big", std::string(1001, 'x'));
  EXPECT_THAT(ReadFile(file, 1000).status().message(), HasSubstr("more than 1000 bytes"));
  EXPECT_TRUE(ReadFile(file, 1001).ok());
  EXPECT_TRUE(absl::IsNotFound(ReadFile(directory.File("none")).status()));
}

}  // namespace
}  // namespace kith::controlplane
