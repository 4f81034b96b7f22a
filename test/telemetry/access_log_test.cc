#include "source/telemetry/access_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "source/telemetry/families.h"
#include "source/telemetry/metrics.h"
#include "test/support/temporary_directory.h"

namespace kith::telemetry {
namespace {

using test::TemporaryDirectory;

std::unique_ptr<AccessLog> Open(AccessLog::Options options) {
  auto log = AccessLog::Create(options);
  EXPECT_TRUE(log.ok()) << log.status();
  return *std::move(log);
}

AccessEntry Entry(absl::string_view id) {
  AccessEntry entry;
  entry.kind = "http";
  entry.request_id = id;
  return entry;
}

// The ids of the lines, each of which must be JSON.
std::vector<std::string> Ids(absl::string_view text) {
  std::vector<std::string> ids;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const nlohmann::json read =
        nlohmann::json::parse(std::string(line), nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(read.is_discarded()) << line;
    if (read.is_object()) ids.push_back(read.value("request_id", ""));
  }
  return ids;
}

TEST(AccessLogTest, WritesEveryLineOfEveryThread) {
  constexpr int kThreads = 3;
  constexpr int kLines = 3000;  // Several buffers each.
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = Open({.path = directory.File("log"), .metrics = &metrics});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&writer = log->AddWriter(), t] {
      for (int i = 0; i < kLines; ++i) {
        writer.Write(Entry(absl::StrCat(t, "-", i)));
        if (i % 100 == 0) writer.Flush();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(log->dropped(), 0u);
  log.reset();
  const std::vector<std::string> ids = Ids(directory.Read("log"));
  EXPECT_EQ(ids.size(), kThreads * kLines);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), kThreads * kLines);
  EXPECT_TRUE(
      absl::StrContains(metrics.Text(), "kith_access_log_dropped_total{cause=\"queue_full\"} 0\n"));
}

TEST(AccessLogTest, WritesNothingUntilFlushedOrFull) {
  TemporaryDirectory directory;
  ASSERT_EQ(mkfifo(directory.File("pipe").c_str(), 0600), 0);
  const int reader = open(directory.File("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  auto log = Open({.path = directory.File("pipe")});
  AccessLog::Writer& writer = log->AddWriter();
  writer.Write(Entry("a"));
  char bytes[4096];
  EXPECT_LT(read(reader, bytes, sizeof bytes), 0);
  writer.Flush();
  fcntl(reader, F_SETFL, 0);
  const ssize_t size = read(reader, bytes, sizeof bytes);
  ASSERT_GT(size, 0);
  EXPECT_EQ(Ids(absl::string_view(bytes, static_cast<size_t>(size))),
            std::vector<std::string>{"a"});
  close(reader);
}

TEST(AccessLogTest, WritesToTheNewFileAfterReopen) {
  TemporaryDirectory directory;
  auto log = Open({.path = directory.File("log")});
  log->AddWriter();
  ASSERT_EQ(rename(directory.File("log").c_str(), directory.File("log.1").c_str()), 0);
  log->Reopen();
  AccessLog::Writer& writer = log->AddWriter();
  writer.Write(Entry("new"));
  writer.Flush();
  log.reset();
  EXPECT_EQ(directory.Read("log.1"), "");
  EXPECT_EQ(Ids(directory.Read("log")), std::vector<std::string>{"new"});
}

TEST(AccessLogTest, SaysWhatCannotBeOpened) {
  const absl::Status status = AccessLog::Create({.path = "/no/such/folder/log"}).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "open the access log /no/such/folder/log: "))
      << status;
}

// A reader that stands still must cost lines, never the worker's time or the memory.
TEST(AccessLogTest, DropsAndCountsWhenItsReaderStandsStill) {
  TemporaryDirectory directory;
  ASSERT_EQ(mkfifo(directory.File("pipe").c_str(), 0600), 0);
  const int reader = open(directory.File("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Metrics metrics;
  auto log = Open({.path = directory.File("pipe"),
                   .max_queued_bytes = 200 * 1024,
                   .grace = absl::Seconds(60),
                   .metrics = &metrics});
  AccessLog::Writer& writer = log->AddWriter();
  uint64_t written = 0;
  while (log->dropped() == 0 && written < 100000) {
    writer.Write(Entry(absl::StrCat(written++)));
  }
  const uint64_t dropped = log->dropped();
  EXPECT_GT(dropped, 0u) << "after " << written << " lines";
  EXPECT_TRUE(absl::StrContains(
      metrics.Text(),
      absl::StrCat("kith_access_log_dropped_total{cause=\"queue_full\"} ", dropped, "\n")));

  // It reads again: everything that was taken arrives, whole.
  std::string received;
  std::thread reading([&] {
    fcntl(reader, F_SETFL, 0);
    char bytes[65536];
    for (ssize_t n = 1; n > 0;) {
      n = read(reader, bytes, sizeof bytes);
      if (n > 0) received.append(bytes, static_cast<size_t>(n));
    }
  });
  log.reset();
  reading.join();
  close(reader);
  const std::vector<std::string> ids = Ids(received);
  EXPECT_EQ(ids.size(), written - dropped);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
}

// The bound is on what waits, not on what was ever written.
TEST(AccessLogTest, TakesMoreThanItsBoundFromAReaderThatKeepsUp) {
  TemporaryDirectory directory;
  ASSERT_EQ(mkfifo(directory.File("pipe").c_str(), 0600), 0);
  const int reader = open(directory.File("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  auto log = Open({.path = directory.File("pipe"), .max_queued_bytes = 1000});
  AccessLog::Writer& writer = log->AddWriter();
  writer.Write(Entry("0"));
  writer.Flush();
  fcntl(reader, F_SETFL, 0);
  char bytes[4096];
  for (int i = 1; i < 100; ++i) {
    ASSERT_GT(read(reader, bytes, sizeof bytes), 0);  // Waits for the line before this one.
    writer.Write(Entry(absl::StrCat(i)));
    writer.Flush();
    ASSERT_EQ(log->dropped(), 0u) << i;
  }
  close(reader);
}

TEST(AccessLogTest, EndsAlthoughItsReaderStandsStill) {
  TemporaryDirectory directory;
  ASSERT_EQ(mkfifo(directory.File("pipe").c_str(), 0600), 0);
  const int reader = open(directory.File("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Metrics metrics;
  auto log =
      Open({.path = directory.File("pipe"), .grace = absl::Milliseconds(10), .metrics = &metrics});
  AccessLog::Writer& writer = log->AddWriter();
  constexpr int kLines = 10000;
  for (int i = 0; i < kLines; ++i) writer.Write(Entry(absl::StrCat(i)));
  log.reset();  // Without a limit it would stay here.

  std::string received;
  char bytes[65536];
  for (ssize_t n = 1; n > 0;) {
    n = read(reader, bytes, sizeof bytes);
    if (n > 0) received.append(bytes, static_cast<size_t>(n));
  }
  close(reader);
  const std::vector<std::string> ids = Ids(received);
  EXPECT_GT(ids.size(), 0u);
  EXPECT_TRUE(absl::StrContains(
      metrics.Text(), absl::StrCat("kith_access_log_dropped_total{cause=\"write_failed\"} ",
                                   kLines - ids.size(), "\n")))
      << metrics.Text();
}

TEST(AccessLogTest, GoesOnAfterItsReaderWentAway) {
  TemporaryDirectory directory;
  ASSERT_EQ(mkfifo(directory.File("pipe").c_str(), 0600), 0);
  int reader = open(directory.File("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  auto log = Open({.path = directory.File("pipe")});
  AccessLog::Writer& writer = log->AddWriter();
  close(reader);
  writer.Write(Entry("lost"));
  writer.Flush();  // SIGPIPE would end the process here.
  while (log->dropped() == 0) std::this_thread::yield();
  reader = open(directory.File("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  writer.Write(Entry("kept"));
  log.reset();
  char bytes[4096];
  const ssize_t size = read(reader, bytes, sizeof bytes);
  ASSERT_GT(size, 0);
  EXPECT_EQ(Ids(absl::string_view(bytes, static_cast<size_t>(size))),
            std::vector<std::string>{"kept"});
  close(reader);
}

}  // namespace
}  // namespace kith::telemetry
