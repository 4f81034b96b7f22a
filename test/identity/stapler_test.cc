// A responder on the loop answers for the leaf of a sidecar's identity: what is stapled, until
// when, and what happens when the answers are of no use.
#include "source/identity/stapler.h"

#include <gmock/gmock.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/http/embedded_server.h"
#include "test/support/manual_clock.h"
#include "test/support/ocsp_authority.h"
#include "test/support/run_until.h"

namespace kith::identity {
namespace {

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class StaplerTest : public ::testing::Test {
 protected:
  StaplerTest() {
    http::EmbeddedServer::Options options;
    options.address = base::SocketAddress::Parse("127.0.0.1:0").value();
    responder_ = *http::EmbeddedServer::Create(
        *loop_, options,
        [this](const http::EmbeddedRequest& request, http::EmbeddedResponder answer) {
          ++asked_;
          EXPECT_EQ(request.method, "POST");
          EXPECT_TRUE(x509::ParseOcspRequest(request.body).ok());
          answer.Send({.status = status_, .body = body_, .headers = {}});
        });
    bundle_ = *tls::TrustBundle::Create({{"cluster.local", ca_.pem()}});
    Take(Issue());
  }
  test::OcspAuthority::Leaf Issue() {
    return ca_.Issue(kId, {absl::StrCat("http://", responder_->local().ToString(), "/ocsp")});
  }
  void Take(test::OcspAuthority::Leaf leaf) {
    leaf_ = std::move(leaf);
    identity_ = *tls::Identity::Create(leaf_.pem, *tls::PrivateKey::FromPem(leaf_.key_pem));
    body_ = ca_.Good(*leaf_.certificate, Times(absl::Hours(2)));
  }
  x509::OcspTimes Times(absl::Duration lasts) {
    return {clock_.Now(), clock_.Now(), clock_.Now() + lasts};
  }
  void Begin() { stapler_.SetIdentity(identity_, *bundle_); }
  void AwaitAsked(int times) {
    EXPECT_TRUE(test::RunUntil(*loop_, [&] { return asked_ >= times; }));
    // The answer is still on its way.
    int turns = 0;
    EXPECT_TRUE(test::RunUntil(*loop_, [&] { return ++turns > 10; }));
    EXPECT_EQ(asked_, times);
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    stapler_.Check();
  }

  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  test::OcspAuthority ca_{clock_.Now()};
  std::unique_ptr<http::EmbeddedServer> responder_;
  std::shared_ptr<const tls::TrustBundle> bundle_;
  test::OcspAuthority::Leaf leaf_;
  std::shared_ptr<const tls::Identity> identity_;
  int status_ = 200;
  std::string body_;
  int asked_ = 0;
  std::vector<std::pair<std::string, std::string>> used_;  // Serial number and response.
  int revoked_ = 0;
  Stapler stapler_{
      *loop_,
      {.use = [this](absl::string_view serial,
                     std::string response) { used_.emplace_back(serial, std::move(response)); },
       .revoked = [this] { ++revoked_; },
       .random = [] { return 1.0; },
       .clock = &clock_}};
};

TEST_F(StaplerTest, StaplesWhatTheResponderSays) {
  Begin();
  AwaitAsked(1);
  ASSERT_EQ(used_.size(), 1u);
  EXPECT_EQ(used_[0].first, identity_->leaf().serial);
  EXPECT_EQ(used_[0].second, body_);
  Begin();
  AwaitAsked(1);
}

TEST_F(StaplerTest, AsksNobodyForALeafThatNamesNobody) {
  Take(ca_.Issue(kId));
  Begin();
  AwaitAsked(0);
  EXPECT_TRUE(used_.empty());
}

TEST_F(StaplerTest, AsksAgainAtHalfOfTheResponse) {
  Begin();
  AwaitAsked(1);
  Advance(absl::Minutes(59));
  AwaitAsked(1);
  body_ = ca_.Good(*leaf_.certificate, Times(absl::Hours(2)));
  Advance(absl::Minutes(1));
  AwaitAsked(2);
  ASSERT_EQ(used_.size(), 2u);
  EXPECT_EQ(used_[1].second, body_);
}

TEST_F(StaplerTest, KeepsWhatIsGoodUntilItEndsWhileTheResponderIsAway) {
  Begin();
  AwaitAsked(1);
  status_ = 500;
  Advance(absl::Minutes(60));
  AwaitAsked(2);
  Advance(absl::Seconds(4));
  AwaitAsked(2);
  Advance(absl::Seconds(1));
  AwaitAsked(3);
  EXPECT_EQ(used_.size(), 1u) << "still stapled";
  Advance(absl::Hours(1));
  AwaitAsked(4);
  ASSERT_EQ(used_.size(), 2u);
  EXPECT_EQ(used_[1], std::pair(identity_->leaf().serial, std::string())) << "it has ended";
  status_ = 200;
  body_ = ca_.Good(*leaf_.certificate, Times(absl::Hours(2)));
  Advance(absl::Hours(1));
  AwaitAsked(5);
  EXPECT_EQ(used_.back().second, body_);
}

TEST_F(StaplerTest, StaplesNothingThatPeersWouldNotBelieve) {
  const test::OcspAuthority stranger(clock_.Now(), "stranger");
  const std::string bad[] = {
      "garbage",
      "",
      x509::OcspErrorResponse(x509::OcspError::kUnauthorized),
      ca_.Respond(*leaf_.certificate, {.status = x509::CertificateStatus::kGood},
                  Times(absl::Hours(1)), stranger),
      ca_.Respond(*leaf_.certificate, {}, Times(absl::Hours(1)), ca_),
      ca_.Good(*Issue().certificate, Times(absl::Hours(1))),
      ca_.Good(*leaf_.certificate, Times(-absl::Hours(1))),
      std::string(70'000, 'x')};
  int times = 0;
  for (const std::string& body : bad) {
    body_ = body;
    if (times == 0) Begin();
    Advance(absl::Hours(1));
    AwaitAsked(++times);
  }
  EXPECT_TRUE(used_.empty());
  EXPECT_EQ(revoked_, 0);
}

TEST_F(StaplerTest, AsksForAnotherCertificateWhenItsOwnIsRevoked) {
  Begin();
  AwaitAsked(1);
  body_ = ca_.Revoked(*leaf_.certificate, Times(absl::Hours(2)));
  Advance(absl::Hours(1));
  AwaitAsked(2);
  EXPECT_EQ(revoked_, 1);
  EXPECT_EQ(used_.back().second, "");
  Take(Issue());
  Begin();
  AwaitAsked(3);
  EXPECT_EQ(used_.back(), std::pair(identity_->leaf().serial, body_));
}

}  // namespace
}  // namespace kith::identity
