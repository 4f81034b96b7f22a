#include "source/controlplane/keys/key_keeper.h"

#include <gtest/gtest.h>

#include "source/jwt/key_set.h"
#include "test/jwt/token_maker.h"
#include "test/support/manual_clock.h"
#include "test/support/run_until.h"

namespace kith::controlplane {
namespace {

using test::RunUntil;
using test::TokenMaker;

class KeyKeeperTest : public testing::Test {
 protected:
  KeyKeeperTest() : loop_(*event::Loop::Create()) {
    KeyKeeper::Options options;
    options.fetch = [this](const std::string& url, absl::Duration) { return Answer(url); };
    options.check = absl::Milliseconds(1);
    options.count = [this](bool) { ++counted_; };
    options.clock = &clock_;
    keeper_ = std::make_unique<KeyKeeper>(*loop_, std::move(options), [this] { ++changes_; });
  }

  absl::StatusOr<std::string> Answer(const std::string& url) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = answers_.find(url);
    if (found == answers_.end()) return absl::UnavailableError("nothing there");
    return found->second;
  }
  void Publish(const std::string& url, const std::string& text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    answers_[url] = text;
  }
  void Forget() {
    const std::lock_guard<std::mutex> lock(mutex_);
    answers_.clear();
  }
  void Use(const std::string& issuer, const std::string& uri, const std::string& inline_keys = "") {
    auto state = std::make_shared<MeshState>();
    auto& rule =
        *state->rulebook.request_authentications.emplace_back().mutable_spec()->add_jwt_rules();
    rule.set_issuer(issuer);
    rule.set_jwks_uri(uri);
    rule.set_jwks(inline_keys);
    keeper_->SetState(std::move(state));
  }
  std::string Keys() const {
    return keeper_->Resolve()->rulebook.request_authentications[0].spec().jwt_rules(0).jwks();
  }
  bool AwaitKeys(const std::string& keys) {
    return RunUntil(*loop_, [&] { return Keys() == keys; });
  }
  bool AwaitFetches(int more) {
    const int goal = counted_ + more;
    return RunUntil(*loop_, [&] { return counted_ >= goal; });
  }

  const std::string first_ = TokenMaker(TokenMaker::Key::kP256, "first").Jwks();
  const std::string second_ = TokenMaker(TokenMaker::Key::kP256, "second").Jwks();
  test::ManualClock clock_;
  std::mutex mutex_;
  std::map<std::string, std::string> answers_;
  int changes_ = 0;
  int counted_ = 0;
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<KeyKeeper> keeper_;
};

TEST_F(KeyKeeperTest, FetchesTheKeysOfAUrlAndSaysSo) {
  Publish("https://idp/keys", first_);
  Use("me", "https://idp/keys");
  EXPECT_TRUE(AwaitKeys(first_));
  EXPECT_EQ(changes_, 1);
}

TEST_F(KeyKeeperTest, AsksTheIssuerWhereItsKeysAre) {
  Publish("https://idp/.well-known/openid-configuration", R"({"jwks_uri":"https://idp/certs"})");
  Publish("https://idp/certs", first_);
  Use("https://idp/", "");
  EXPECT_TRUE(AwaitKeys(first_));
}

TEST_F(KeyKeeperTest, DoesNotFollowAnIssuerIntoFiles) {
  Publish("https://idp/.well-known/openid-configuration", R"({"jwks_uri":"file:///keys"})");
  Publish("file:///keys", first_);
  Use("https://idp", "");
  EXPECT_TRUE(AwaitFetches(1));
  EXPECT_EQ(Keys(), "");
}

TEST_F(KeyKeeperTest, LeavesInlineKeysAlone) {
  Publish("https://idp/keys", second_);
  Use("me", "https://idp/keys", first_);
  EXPECT_EQ(Keys(), first_);
}

TEST_F(KeyKeeperTest, TakesNewKeysWhenTheyAreDue) {
  Publish("https://idp/keys", first_);
  Use("me", "https://idp/keys");
  EXPECT_TRUE(AwaitKeys(first_));
  Publish("https://idp/keys", second_);
  clock_.Advance(absl::Minutes(6));
  EXPECT_TRUE(AwaitKeys(second_));
}

TEST_F(KeyKeeperTest, KeepsTheLastGoodKeysForAWhileAndThenNone) {
  Publish("https://idp/keys", first_);
  Use("me", "https://idp/keys");
  EXPECT_TRUE(AwaitKeys(first_));
  Publish("https://idp/keys", R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})");
  clock_.Advance(absl::Minutes(6));
  EXPECT_TRUE(AwaitFetches(1));
  EXPECT_EQ(Keys(), first_);
  Forget();
  clock_.Advance(absl::Hours(25));
  EXPECT_TRUE(AwaitKeys(""));
}

}  // namespace
}  // namespace kith::controlplane
