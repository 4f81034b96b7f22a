// A token that was verified is not verified again, and yet never believed for longer than it, or
// the key that signed it, deserves.
#include "source/controlplane/ca/verified_tokens.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/token_issuer.h"
#include "source/controlplane/ca/token_verifier.h"
#include "test/controlplane/ca/fixture.h"

namespace kith::controlplane {
namespace {

class VerifiedTokensTest : public CaFixture {
 protected:
  VerifiedTokensTest() {
    key_ = *TokenKey::LoadOrCreate(*state_);
    present_ = key_->Public();
    TrustedIssuer issuer = OwnIssuer(*key_);
    issuer.keys = [this] { return present_; };
    verifier_ = std::make_unique<JwtVerifier>(std::vector<TrustedIssuer>{issuer}, &clock_);
  }

  std::string Make(absl::Duration ttl) {
    TokenIssuer::Options options;
    options.key = key_;
    options.audit = audit_.get();
    options.clock = &clock_;
    return TokenIssuer(options).Create("demo", "frontend", ttl, "test")->token;
  }
  Refusal Check(const std::string& token) { return RefusalOf(verifier_->Verify(token).status()); }

  std::shared_ptr<const TokenKey> key_;
  std::shared_ptr<const jwt::KeySet> present_;
  std::unique_ptr<JwtVerifier> verifier_;
};

TEST_F(VerifiedTokensTest, SayTheSameTheSecondTime) {
  const std::string token = Make(absl::Hours(1));
  const auto first = verifier_->Verify(token);
  const auto second = verifier_->Verify(token);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(second->ToString(), first->ToString());
  EXPECT_EQ(second->token_id, first->token_id);
  EXPECT_EQ(second->expires, first->expires);
}

TEST_F(VerifiedTokensTest, EndWithTheToken) {
  const std::string token = Make(absl::Hours(1));
  EXPECT_EQ(Check(token), Refusal::kNone);
  clock_.Advance(absl::Minutes(59));
  EXPECT_EQ(Check(token), Refusal::kNone);
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(Check(token), Refusal::kTokenExpired);
}

TEST_F(VerifiedTokensTest, BeginWithTheTokenAlsoAfterTheClockWasSetBack) {
  const std::string token = Make(absl::Hours(1));
  EXPECT_EQ(Check(token), Refusal::kNone);
  clock_.Advance(-absl::Hours(1));
  EXPECT_EQ(Check(token), Refusal::kTokenNotYetValid);
}

TEST_F(VerifiedTokensTest, NeverOutliveTheKeyThatVerifiedThem) {
  const std::string token = Make(absl::Hours(1));
  EXPECT_EQ(Check(token), Refusal::kNone);
  const auto before = std::exchange(present_, nullptr);
  EXPECT_EQ(Check(token), Refusal::kTokenUnknownKey) << "the issuer has no keys any more";
  present_ = before;
  EXPECT_EQ(Check(token), Refusal::kNone);
  // The key set is replaced by one without the key.
  test::TemporaryDirectory elsewhere;
  auto other_state = StateDirectory::Open(elsewhere.File("other"));
  ASSERT_TRUE(other_state.ok()) << other_state.status();
  present_ = (*TokenKey::LoadOrCreate(**other_state))->Public();
  EXPECT_EQ(Check(token), Refusal::kTokenUnknownKey);
}

TEST_F(VerifiedTokensTest, AreKnownByAllOfTheToken) {
  const std::string token = Make(absl::Hours(1));
  EXPECT_EQ(Check(token), Refusal::kNone);
  for (const size_t at : {token.size() - 1, token.size() - 20, token.size() / 2, size_t{3}}) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_NE(Check(changed), Refusal::kNone) << at;
  }
}

TEST(VerifiedTokensBoundTest, ForgetWhatIsAskedForLeast) {
  VerifiedTokens known(/*half=*/100);
  const auto favourite = VerifiedTokens::DigestOf("favourite");
  known.Add(favourite, {});
  for (int i = 0; i < 10'000; ++i) {
    known.Add(VerifiedTokens::DigestOf(absl::StrCat(i)), {});
    EXPECT_NE(known.Find(favourite), nullptr) << i;
    ASSERT_LE(known.size(), 201u);
  }
  EXPECT_EQ(known.Find(VerifiedTokens::DigestOf("1")), nullptr);
  EXPECT_NE(known.Find(VerifiedTokens::DigestOf("9999")), nullptr);
}

}  // namespace
}  // namespace kith::controlplane
