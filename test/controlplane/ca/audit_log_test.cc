#include "source/controlplane/ca/audit_log.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "source/x509/hash_chain.h"
#include "test/controlplane/ca/fixture.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

class AuditLogTest : public CaFixture {
 protected:
  bool Chained() const {
    x509::HashChainReader reader;
    std::istringstream text(directory_.Read("state/audit.jsonl"));
    for (std::string line; std::getline(text, line);) {
      const absl::Status read = reader.Read(line);
      EXPECT_TRUE(read.ok()) << read;
    }
    return reader.lines() > reader.unchained();
  }
};

TEST_F(AuditLogTest, WritesOneObjectALine) {
  AuditEntry entry;
  entry.spiffe_id = "spiffe://cluster.local/ns/a/sa/b";
  entry.serial = "0a";
  entry.not_before = clock_.Now();
  entry.not_after = clock_.Now() + absl::Hours(1);
  entry.key_type = "P-256";
  entry.caller = "a/b";
  entry.token_id = "t1";
  entry.peer = "ipv4:10.0.0.1:1";
  ASSERT_TRUE(audit_->Append(entry).ok());
  entry = {};
  entry.refusal = Refusal::kRequestKey;
  entry.detail = "a \"bad\"\nkey";
  ASSERT_TRUE(audit_->Append(entry).ok());

  auto lines = AuditLines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["chain"].get<std::string>().size(), 64u);
  lines[0].erase("chain");
  EXPECT_EQ(lines[0], (nlohmann::json{{"v", 2},
                                      {"time", "2027-01-15T08:00:00.000000Z"},
                                      {"event", "certificate"},
                                      {"decision", "issued"},
                                      {"reason", "-"},
                                      {"spiffe_id", "spiffe://cluster.local/ns/a/sa/b"},
                                      {"serial", "0a"},
                                      {"not_before", "2027-01-15T08:00:00.000000Z"},
                                      {"not_after", "2027-01-15T09:00:00.000000Z"},
                                      {"key_type", "P-256"},
                                      {"caller", "a/b"},
                                      {"token_id", "t1"},
                                      {"peer", "ipv4:10.0.0.1:1"}}));
  EXPECT_EQ(lines[1]["decision"], "refused");
  EXPECT_EQ(lines[1]["reason"], "request_key");
  EXPECT_EQ(lines[1]["detail"], "a \"bad\"\nkey");
  EXPECT_FALSE(lines[1].contains("serial"));
}

TEST_F(AuditLogTest, IsForItsOwnerOnlyAndGrowsAcrossRestarts) {
  ASSERT_TRUE(audit_->Append({}).ok());
  struct stat facts;
  ASSERT_EQ(::stat(audit_->path().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  ASSERT_EQ(::chmod(audit_->path().c_str(), 0644), 0);
  Close();
  Open();
  ASSERT_EQ(::stat(audit_->path().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  ASSERT_TRUE(audit_->Append({}).ok());
  EXPECT_EQ(AuditLines().size(), 2u);
}

TEST_F(AuditLogTest, CutsOffATornLineAndRecordsIt) {
  ASSERT_TRUE(audit_->Append({}).ok());
  Close();
  directory_.Write("state/audit.jsonl", directory_.Read("state/audit.jsonl") + "{\"v\":2,\"tim");
  Open();
  ASSERT_TRUE(audit_->Append({}).ok());
  const auto lines = AuditLines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1]["event"], "recovery");
  EXPECT_EQ(lines[1]["decision"], "recovered");
  EXPECT_EQ(lines[1]["detail"], "an unfinished line of 11 bytes was cut off");
  EXPECT_TRUE(Chained());
}

TEST_F(AuditLogTest, ContinuesItsChainAcrossRestartsAndAfterLinesThatHadNone) {
  Close();
  directory_.Write("state/audit.jsonl", "{\"v\":1}\n{\"v\":1}\n");
  for (int i = 0; i < 3; i++) {
    Open();
    ASSERT_TRUE(audit_->Append({}).ok());
    Close();
  }
  EXPECT_TRUE(Chained());
  EXPECT_EQ(AuditLines().size(), 5u);
}

TEST_F(AuditLogTest, CallsBackOnceItIsOnTheDisk) {
  std::mutex mutex;
  std::condition_variable done;
  int called = 0;
  for (int i = 0; i < 100; i++) {
    const auto line = audit_->Enqueue({});
    ASSERT_TRUE(line.ok());
    audit_->WhenFlushed(*line, [&](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      const std::lock_guard<std::mutex> lock(mutex);
      called++;
      done.notify_all();
    });
  }
  std::unique_lock<std::mutex> lock(mutex);
  EXPECT_TRUE(done.wait_for(lock, std::chrono::seconds(10), [&] { return called == 100; }));
  lock.unlock();
  EXPECT_EQ(AuditLines().size(), 100u);
  EXPECT_TRUE(Chained());
}

TEST_F(AuditLogTest, WritesWhatIsEnqueuedBeforeWhatIsAppended) {
  AuditEntry entry;
  entry.serial = "01";
  ASSERT_TRUE(audit_->Enqueue(entry).ok());
  entry.serial = "02";
  ASSERT_TRUE(audit_->Append(entry).ok());
  // In the file at once, before any flush.
  std::istringstream text(directory_.Read("state/audit.jsonl"));
  std::string first;
  std::string second;
  ASSERT_TRUE(std::getline(text, first) && std::getline(text, second));
  EXPECT_THAT(first, HasSubstr(R"("serial":"01")"));
  EXPECT_THAT(second, HasSubstr(R"("serial":"02")"));
  EXPECT_TRUE(Chained());
}

TEST_F(AuditLogTest, WritesWhatIsEnqueuedWhenItCloses) {
  ASSERT_TRUE(audit_->Enqueue({}).ok());
  Close();
  Open();
  EXPECT_EQ(AuditLines().size(), 1u);
}

TEST_F(AuditLogTest, TellsEveryoneWhoseLineIsLostAndGoesOn) {
  ASSERT_TRUE(audit_->Append({}).ok());
  const size_t before = directory_.Read("state/audit.jsonl").size();
  AuditEntry refused;
  refused.refusal = Refusal::kUnauthenticated;
  for (int i = 0; i < 30; i++) ASSERT_TRUE(audit_->Append(refused).ok());
  const size_t after = directory_.Read("state/audit.jsonl").size();
  std::vector<AuditLog::Line> lines;
  {
    // One of the three would fit.
    FullDisk full(after + (after - before) / 20 + 40);
    for (int i = 0; i < 3; i++) lines.push_back(*audit_->Enqueue({}));
    EXPECT_EQ(RefusalOf(audit_->Append({})), Refusal::kAuditUnavailable);
  }
  // Asked after the disk has room again, by which time a later line has been written.
  ASSERT_TRUE(audit_->Append({}).ok());
  for (const AuditLog::Line line : lines) {
    EXPECT_EQ(RefusalOf(Flush(line)), Refusal::kAuditUnavailable);
  }
  const auto line = audit_->Enqueue({});
  ASSERT_TRUE(line.ok());
  EXPECT_TRUE(Flush(*line).ok());
  const auto all = AuditLines();
  ASSERT_EQ(all.size(), 23u);
  EXPECT_EQ(all[21]["suppressed"], 10) << "told of in a line that was lost, and so again";
  EXPECT_TRUE(Chained());
}

TEST_F(AuditLogTest, SaysSoWhenALineDoesNotFitAndLeavesNoHalf) {
  ASSERT_TRUE(audit_->Append({}).ok());
  size_t before = directory_.Read("state/audit.jsonl").size();
  absl::Status status;
  {
    FullDisk full(before + 10);
    status = audit_->Append({});
  }
  EXPECT_EQ(RefusalOf(status), Refusal::kAuditUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("audit.jsonl"));
  EXPECT_EQ(directory_.Read("state/audit.jsonl").size(), before);
  EXPECT_TRUE(audit_->Append({}).ok());
  EXPECT_EQ(AuditLines().size(), 2u);
}

TEST_F(AuditLogTest, LimitsRefusalsButNeverIssuances) {
  AuditEntry refused;
  refused.refusal = Refusal::kUnauthenticated;
  for (int i = 0; i < 1000; i++) ASSERT_TRUE(audit_->Append(refused).ok());
  EXPECT_EQ(AuditLines().size(), 20u);
  for (int i = 0; i < 100; i++) ASSERT_TRUE(audit_->Append({}).ok());
  auto lines = AuditLines();
  ASSERT_EQ(lines.size(), 120u);
  EXPECT_EQ(lines[20]["suppressed"], 980);
  EXPECT_FALSE(lines[21].contains("suppressed"));
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(audit_->Append(refused).ok());
  EXPECT_EQ(AuditLines().size(), 121u);
}

TEST_F(AuditLogTest, KeepsLinesWholeUnderManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([this, t] {
      AuditEntry entry;
      for (int i = 0; i < 200; i++) {
        entry.serial = absl::StrCat(t, "-", i);
        const bool good = i % 2 == 0 ? audit_->Append(entry).ok() : audit_->Enqueue(entry).ok();
        ASSERT_TRUE(good);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(AuditLines().size(), 1600u);
  EXPECT_TRUE(Chained());
}

}  // namespace
}  // namespace kith::controlplane
