// A join token is good for one use, whoever else has it, and over restarts.
#include "source/controlplane/ca/join_tokens.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "source/controlplane/ca/refusal.h"
#include "test/controlplane/ca/fixture.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class JoinTokensTest : public CaFixture {
 protected:
  JoinTokensTest() { OpenTokens(); }
  void OpenTokens() {
    auto opened = JoinTokens::Open(
        {.state = state_.get(), .audit = audit_.get(), .clock = &clock_, .max_open = 200});
    ASSERT_TRUE(opened.ok()) << opened.status();
    tokens_ = *std::move(opened);
  }
  std::string Make(absl::Duration ttl = absl::Hours(1)) {
    auto made = tokens_->Create("demo", "vm", ttl, "test");
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->token : "";
  }
  Refusal Use(const std::string& token) { return RefusalOf(tokens_->Redeem(token).status()); }

  std::unique_ptr<JoinTokens> tokens_;
};

TEST_F(JoinTokensTest, SaysWhoJoinsAndThatTheTokenIsToBeReplaced) {
  const auto caller = tokens_->Redeem(Make());
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->ToString(), "demo/vm");
  EXPECT_LE(caller->replace_token_from, clock_.Now());
}

TEST_F(JoinTokensTest, GivesExactlyOneSuccessToAHundredUsesAtOnce) {
  const std::string token = Make();
  std::atomic<int> good = 0;
  std::atomic<int> used = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&] {
      const Refusal refusal = Use(token);
      good += refusal == Refusal::kNone;
      used += refusal == Refusal::kTokenUsed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 1);
  EXPECT_EQ(used, 99);
}

TEST_F(JoinTokensTest, RemembersOverARestartWhatIsUsedAndWhatIsNot) {
  const std::string used = Make();
  const std::string open = Make();
  EXPECT_EQ(Use(used), Refusal::kNone);
  tokens_.reset();
  Close();
  Open();
  OpenTokens();
  EXPECT_EQ(Use(used), Refusal::kTokenUsed);
  EXPECT_EQ(Use(open), Refusal::kNone);
}

TEST_F(JoinTokensTest, EndsWithItsTime) {
  const std::string token = Make(absl::Minutes(5));
  clock_.Advance(absl::Minutes(5));
  EXPECT_EQ(Use(token), Refusal::kTokenExpired);
  Make();  // Which clears away what has ended.
  EXPECT_EQ(Use(token), Refusal::kTokenUnknownKey);
}

TEST_F(JoinTokensTest, IsNotSpentByAUseThatCannotBeRecorded) {
  const std::string token = Make();
  {
    FullDisk full(1);
    EXPECT_EQ(tokens_->Redeem(token).status().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(Use(token), Refusal::kNone);
}

TEST_F(JoinTokensTest, IsKnownNeitherFromTheDiskNorFromTheAuditLog) {
  const std::string token = Make();
  EXPECT_THAT(directory_.Read("state/join-tokens.json"), Not(HasSubstr(token.substr(12))));
  EXPECT_THAT(directory_.Read("state/audit.jsonl"), Not(HasSubstr(token.substr(12))));
  EXPECT_EQ(AuditLines().back()["event"], "token");
}

TEST_F(JoinTokensTest, RefusesWhatWasNeverMade) {
  EXPECT_EQ(Use("kith-join."), Refusal::kTokenUnknownKey);
  EXPECT_EQ(Use("kith-join." + std::string(43, 'A')), Refusal::kTokenUnknownKey);
  EXPECT_EQ(Use("kith-join." + std::string(4096, 'A')), Refusal::kTokenTooLarge);
  EXPECT_FALSE(tokens_->Create("de mo", "vm", absl::Hours(1), "").ok());
  EXPECT_FALSE(tokens_->Create("demo", "vm", absl::Hours(24 * 8), "").ok());
}

TEST_F(JoinTokensTest, KeepsABoundedNumberOpen) {
  for (int i = 0; i < 200; ++i) Make();
  EXPECT_EQ(tokens_->Create("demo", "vm", absl::Hours(1), "").status().code(),
            absl::StatusCode::kResourceExhausted);
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(tokens_->Create("demo", "vm", absl::Hours(1), "").ok());
}

TEST_F(JoinTokensTest, SaysWhatToDoAboutADamagedList) {
  directory_.Write("state/join-tokens.json", "{");
  EXPECT_THAT(JoinTokens::Open({.state = state_.get(), .audit = audit_.get()}).status().message(),
              HasSubstr("remove it"));
}

}  // namespace
}  // namespace kith::controlplane
