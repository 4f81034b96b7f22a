#include "source/telemetry/access_output.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "test/support/temporary_directory.h"

namespace kith::telemetry {
namespace {

using test::TemporaryDirectory;

class AccessOutputTest : public testing::Test {
 protected:
  AccessOutputTest() {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
  }

  // A named pipe in the directory, with an end to read from.
  int MakePipe() {
    const std::string path = directory_.File("pipe");
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    return open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }

  TemporaryDirectory directory_;
};

TEST_F(AccessOutputTest, AppendsToAFileOnlyItsGroupMayRead) {
  directory_.Write("log", "before\n");
  chmod(directory_.File("log").c_str(), 0600);
  uint64_t lost = 7;
  {
    auto output = AccessOutput::Create(directory_.File("log"));
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_TRUE((*output)->Write("a\nb\n", lost).ok());
  }
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(directory_.Read("log"), "before\na\nb\n");

  const mode_t mask = umask(0);
  ASSERT_TRUE(AccessOutput::Create(directory_.File("new")).ok());
  umask(mask);
  struct stat about;
  ASSERT_EQ(stat(directory_.File("new").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0640u);
}

TEST_F(AccessOutputTest, SaysWhatCannotBeOpened) {
  const std::string path = directory_.File("none/log");
  const absl::Status status = AccessOutput::Create(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(status.message(), path)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "does its folder exist")) << status;

  ASSERT_EQ(mkfifo(directory_.File("pipe").c_str(), 0600), 0);
  const absl::Status no_reader = AccessOutput::Create(directory_.File("pipe")).status();
  EXPECT_TRUE(absl::StrContains(no_reader.message(), "is its reader running?")) << no_reader;
}

TEST_F(AccessOutputTest, ReopensAfterTheFileWasMoved) {
  auto output = AccessOutput::Create(directory_.File("log"));
  ASSERT_TRUE(output.ok());
  uint64_t lost = 0;
  EXPECT_TRUE((*output)->Write("old\n", lost).ok());
  ASSERT_EQ(rename(directory_.File("log").c_str(), directory_.File("log.1").c_str()), 0);
  EXPECT_TRUE((*output)->Reopen().ok());
  EXPECT_TRUE((*output)->Write("new\n", lost).ok());
  EXPECT_EQ(directory_.Read("log.1"), "old\n");
  EXPECT_EQ(directory_.Read("log"), "new\n");
}

TEST_F(AccessOutputTest, KeepsTheOldFileWhenTheNewCannotBeOpened) {
  directory_.Write("folder/log", "");
  auto output = AccessOutput::Create(directory_.File("folder/log"));
  ASSERT_TRUE(output.ok());
  ASSERT_EQ(rename(directory_.File("folder").c_str(), directory_.File("moved").c_str()), 0);
  EXPECT_FALSE((*output)->Reopen().ok());
  uint64_t lost = 0;
  EXPECT_TRUE((*output)->Write("still\n", lost).ok());
  EXPECT_EQ(directory_.Read("moved/log"), "still\n");
}

TEST_F(AccessOutputTest, CountsWhatAFullDiskLosesAndKeepsTheNextLineWhole) {
  auto output = AccessOutput::Create(directory_.File("log"));
  ASSERT_TRUE(output.ok());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 10;  // The kernel writes up to here, then fails: as a full disk does.
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  uint64_t lost = 0;
  const absl::Status status = (*output)->Write("one\ntwo\nthree\nfour\n", lost);
  uint64_t lost_again = 0;
  const absl::Status again = (*output)->Write("five\n", lost_again);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);

  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(absl::StrContains(status.message(), "disk full")) << status;
  EXPECT_EQ(lost, 2u);  // "three", of which "th" was written, and "four".
  EXPECT_FALSE(again.ok());
  EXPECT_EQ(lost_again, 1u);
  EXPECT_TRUE((*output)->Write("six\n", lost).ok());
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(directory_.Read("log"), "one\ntwo\nth\nsix\n");
}

TEST_F(AccessOutputTest, WaitsForASlowReaderAndLosesNothing) {
  const int reader = MakePipe();
  auto output = AccessOutput::Create(directory_.File("pipe"));
  ASSERT_TRUE(output.ok()) << output.status();
  std::string sent;  // More than a pipe holds, with lines longer than a piece.
  for (int i = 0; sent.size() < 300000; ++i) {
    absl::StrAppend(&sent, i, std::string(i % 50 == 0 ? 9000 : 100, 'x'), "\n");
  }
  std::string received;
  std::thread reading([&] {
    fcntl(reader, F_SETFL, 0);
    char bytes[1000];
    for (ssize_t n = 1; n > 0;) {
      n = read(reader, bytes, sizeof bytes);
      if (n > 0) received.append(bytes, static_cast<size_t>(n));
    }
  });
  uint64_t lost = 0;
  EXPECT_TRUE((*output)->Write(sent, lost).ok());
  EXPECT_EQ(lost, 0u);
  output->reset();
  reading.join();
  close(reader);
  EXPECT_TRUE(received == sent);
}

TEST_F(AccessOutputTest, GivesUpOnAReaderThatDoesNotRead) {
  const int reader = MakePipe();
  auto output = AccessOutput::Create(directory_.File("pipe"));
  ASSERT_TRUE(output.ok()) << output.status();
  const std::string lines(1 << 20, '\n');
  uint64_t lost = 0;
  absl::Status status;
  std::thread writing([&] { status = (*output)->Write(lines, lost); });
  // That something can be read shows that it is writing.
  char byte;
  while (read(reader, &byte, 1) != 1) std::this_thread::yield();
  (*output)->GiveUp();
  writing.join();
  close(reader);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_GT(lost, 900000u);
  EXPECT_LT(lost, lines.size());
}

TEST_F(AccessOutputTest, FailsWhenTheReaderIsGone) {
  const int reader = MakePipe();
  auto output = AccessOutput::Create(directory_.File("pipe"));
  ASSERT_TRUE(output.ok()) << output.status();
  close(reader);
  uint64_t lost = 0;
  const absl::Status status = (*output)->Write("a\nb\n", lost);
  EXPECT_EQ(lost, 2u);
  EXPECT_TRUE(absl::StrContains(status.message(), "its reader gone")) << status;
}

}  // namespace
}  // namespace kith::telemetry
