// A responder on the loop is asked about peers: how often, for how long its word is remembered, and
// what those who ask learn when there is none.
#include "source/identity/peer_responders.h"

#include <gmock/gmock.h>
#include <openssl/pool.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/http/embedded_server.h"
#include "source/tls/peer.h"
#include "test/support/manual_clock.h"
#include "test/support/ocsp_authority.h"
#include "test/support/run_until.h"

namespace kith::identity {
namespace {

using testing::HasSubstr;
using Answer = tls::Responders::Answer;
using Question = tls::Responders::Question;

std::shared_ptr<CRYPTO_BUFFER> Buffer(const std::string& der) {
  return {CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(der.data()), der.size(), nullptr),
          [](CRYPTO_BUFFER* buffer) { CRYPTO_BUFFER_free(buffer); }};
}

std::string Der(const X509& certificate) {
  uint8_t* der = nullptr;
  const int size = i2d_X509(const_cast<X509*>(&certificate), &der);
  const bssl::UniquePtr<uint8_t> owned(der);
  return {reinterpret_cast<char*>(der), static_cast<size_t>(size)};
}

class PeerRespondersTest : public ::testing::Test {
 protected:
  PeerRespondersTest() {
    http::EmbeddedServer::Options options;
    options.address = base::SocketAddress::Parse("127.0.0.1:0").value();
    server_ = *http::EmbeddedServer::Create(
        *loop_, options,
        [this](const http::EmbeddedRequest& request, http::EmbeddedResponder answer) {
          ++asked_;
          EXPECT_TRUE(x509::ParseOcspRequest(request.body).ok());
          if (silent_) return kept_.push_back(std::move(answer));
          answer.Send({.status = status_, .body = body_, .headers = {}});
        });
    Make({});
    leaf_ = Issue();
    body_ = ca_.Good(*leaf_.certificate, Times(absl::Hours(2)));
  }
  void Make(PeerResponders::Options options) {
    options.networks = *ResponderNetworks::Create({"127.0.0.0/8"});
    options.clock = &clock_;
    responders_ = std::make_unique<PeerResponders>(*loop_, std::move(options));
  }
  test::OcspAuthority::Leaf Issue() {
    return ca_.Issue("db.example", {absl::StrCat("http://", server_->local().ToString(), "/ocsp")});
  }
  x509::OcspTimes Times(absl::Duration lasts) {
    return {clock_.Now(), clock_.Now(), clock_.Now() + lasts};
  }
  Question About(const test::OcspAuthority::Leaf& leaf) const {
    tls::VerifiedLeaf verified;
    verified.certificate = Buffer(leaf.der);
    verified.issuer = Buffer(Der(ca_.certificate()));
    return tls::Responders::QuestionAbout(verified).value();
  }
  std::unique_ptr<tls::Responders::Waiting> Ask(const test::OcspAuthority::Leaf& leaf) {
    return responders_->Ask(About(leaf), *loop_, [this](std::shared_ptr<const Answer> answer) {
      answers_.push_back(*answer);
    });
  }
  // The answer to one who asks and waits.
  Answer AskAndWait(const test::OcspAuthority::Leaf& leaf) {
    answers_.clear();
    const auto ticket = Ask(leaf);
    EXPECT_TRUE(answers_.empty()) << "never before Ask() returns";
    EXPECT_TRUE(test::RunUntil(*loop_, [&] { return !answers_.empty(); }));
    return answers_.empty() ? Answer() : answers_.front();
  }

  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  test::OcspAuthority ca_{clock_.Now()};
  std::vector<http::EmbeddedResponder> kept_;
  std::unique_ptr<http::EmbeddedServer> server_;
  std::unique_ptr<PeerResponders> responders_;
  test::OcspAuthority::Leaf leaf_;
  int status_ = 200;
  bool silent_ = false;
  std::string body_;
  int asked_ = 0;
  std::vector<Answer> answers_;
};

TEST_F(PeerRespondersTest, RemembersAnAnswerUntilItsEnd) {
  EXPECT_EQ(responders_->Find(About(leaf_)), nullptr);
  EXPECT_EQ(AskAndWait(leaf_).response, body_);
  ASSERT_NE(responders_->Find(About(leaf_)), nullptr);
  EXPECT_EQ(responders_->Find(About(leaf_))->response, body_);
  EXPECT_EQ(AskAndWait(leaf_).response, body_) << "who asks all the same";
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(responders_->Find(About(Issue())), nullptr) << "about another";
  clock_.Advance(absl::Hours(2) - absl::Seconds(1));
  EXPECT_NE(responders_->Find(About(leaf_)), nullptr);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(responders_->Find(About(leaf_)), nullptr);
  AskAndWait(leaf_);
  EXPECT_EQ(asked_, 2);
}

TEST_F(PeerRespondersTest, AsksOnceForAllWhoWait) {
  const auto first = Ask(leaf_);
  const auto second = Ask(leaf_);
  auto third = Ask(leaf_);
  third.reset();
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return answers_.size() == 2; }));
  EXPECT_NE(AskAndWait(leaf_).response, "");
  EXPECT_EQ(asked_, 1);
}

TEST_F(PeerRespondersTest, TellsNobodyWhoHasLeft) {
  Ask(leaf_).reset();
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return responders_->Find(About(leaf_)) != nullptr; }));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(PeerRespondersTest, RemembersAFailureForAShortTime) {
  status_ = 503;
  EXPECT_THAT(AskAndWait(leaf_).failure, HasSubstr("answers with the status 503"));
  EXPECT_NE(responders_->Find(About(leaf_)), nullptr);
  clock_.Advance(absl::Seconds(29));
  AskAndWait(leaf_);
  EXPECT_EQ(asked_, 1);
  clock_.Advance(absl::Seconds(1));
  status_ = 200;
  EXPECT_EQ(AskAndWait(leaf_).response, body_);
  EXPECT_EQ(asked_, 2);
}

TEST_F(PeerRespondersTest, GivesNoResponseThatCannotBeBelieved) {
  const test::OcspAuthority stranger(clock_.Now(), "stranger");
  const x509::OcspAnswer good{.status = x509::CertificateStatus::kGood};
  for (const auto& [body, why] : std::vector<std::pair<std::string, const char*>>{
           {"garbage", "not a valid OCSP response"},
           {ca_.Respond(*leaf_.certificate, good, Times(absl::Hours(1)), stranger),
            "signed neither"},
           {ca_.Good(*Issue().certificate, Times(absl::Hours(1))), "does not speak of"},
           {std::string(20'000, 'x'), "more than 16384 bytes"}}) {
    body_ = body;
    const Answer answer = AskAndWait(leaf_);
    EXPECT_EQ(answer.response, "");
    EXPECT_THAT(answer.failure, HasSubstr(why));
    clock_.Advance(absl::Seconds(30));
  }
}

TEST_F(PeerRespondersTest, GivesUpOnAResponderThatIsSilent) {
  Make({.timeout = absl::Milliseconds(50)});
  silent_ = true;
  EXPECT_THAT(AskAndWait(leaf_).failure, HasSubstr("no answer in time"));
}

TEST_F(PeerRespondersTest, AsksNobodyAtAnAddressThatIsNotPublic) {
  PeerResponders strict(*loop_, {.clock = &clock_});
  const auto ticket =
      strict.Ask(About(leaf_), *loop_,
                 [this](std::shared_ptr<const Answer> answer) { answers_.push_back(*answer); });
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return !answers_.empty(); }));
  EXPECT_THAT(answers_.front().failure, HasSubstr("is no public address"));
  EXPECT_EQ(asked_, 0);
}

TEST_F(PeerRespondersTest, AsksABoundedNumberAtOnce) {
  Make({.max_on_way = 2});
  silent_ = true;
  const auto first = Ask(leaf_);
  const auto second = Ask(Issue());
  EXPECT_THAT(AskAndWait(Issue()).failure, HasSubstr("too many questions"));
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return asked_ == 2; }));
  int turns = 0;
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return ++turns > 10; }));
  EXPECT_EQ(asked_, 2);
}

TEST_F(PeerRespondersTest, RemembersABoundedNumber) {
  Make({.max_remembered = 2});
  const auto other = Issue();
  const auto third = Issue();
  AskAndWait(leaf_);
  body_ = ca_.Good(*other.certificate, Times(absl::Hours(1)));
  AskAndWait(other);
  body_ = ca_.Good(*third.certificate, Times(absl::Hours(3)));
  AskAndWait(third);
  EXPECT_NE(responders_->Find(About(leaf_)), nullptr);
  EXPECT_EQ(responders_->Find(About(other)), nullptr) << "the one that would have ended first";
  EXPECT_NE(responders_->Find(About(third)), nullptr);
}

}  // namespace
}  // namespace kith::identity
