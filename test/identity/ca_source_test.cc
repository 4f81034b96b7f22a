#include "source/identity/ca_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/identity/fake_authority.h"
#include "test/identity/recorder.h"
#include "test/support/manual_clock.h"

namespace kith::identity {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class CaSourceTest : public ::testing::Test {
 protected:
  CaSourceTest() { source_->Start(recorder_); }

  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }
  CaSource::Options Options() {
    return {.id = *base::SpiffeId::Parse(kId),
            .lifetime = absl::Hours(1),
            .clock = &clock_,
            .random = [this] { return random_; }};
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    source_->Check();
  }
  // The reply is refused: nothing is handed over, and the reason is told.
  void ExpectRefused(Failure failure) {
    EXPECT_TRUE(recorder_.identities.empty());
    ASSERT_EQ(recorder_.failures.size(), 1u);
    EXPECT_EQ(Name(recorder_.failures[0]), Name(failure)) << recorder_.last_error;
  }

  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  double random_ = 0.5;
  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  FakeAuthority authority_{clock_};
  Recorder recorder_;
  std::unique_ptr<CaSource> source_ = std::make_unique<CaSource>(*loop_, authority_, Options());
};

TEST_F(CaSourceTest, FetchesAnIdentityAtOnce) {
  ASSERT_EQ(authority_.waiting(), 1u);
  EXPECT_EQ(authority_.requests[0].lifetime, absl::Hours(1));
  authority_.Answer();
  ASSERT_EQ(recorder_.identities.size(), 1u);
  EXPECT_EQ(recorder_.identities[0]->id().text(), kId);
  EXPECT_TRUE(recorder_.failures.empty());
}

TEST_F(CaSourceTest, RenewsAtHalfOfTheLifetimeWithAnotherKey) {
  authority_.Answer();
  Advance(absl::Minutes(30) - absl::Seconds(1));
  EXPECT_EQ(authority_.waiting(), 0u);
  Advance(absl::Seconds(1));
  ASSERT_EQ(authority_.waiting(), 1u);
  EXPECT_NE(authority_.requests[0].csr_pem, authority_.requests[1].csr_pem);
  authority_.Answer();
  ASSERT_EQ(recorder_.identities.size(), 2u);
  EXPECT_NE(recorder_.identities[0]->leaf().serial, recorder_.identities[1]->leaf().serial);
}

TEST_F(CaSourceTest, RenewsInTimeForAnIssuerThatEndsFirst) {
  const test::TemporaryCa parent({.now = clock_.Now()});
  test::CertificateOptions issuer_options = test::CaCertificate("short-lived issuer");
  issuer_options.not_after = clock_.Now() + absl::Minutes(10);
  const test::Credential issuer = parent.SignedBy(parent.root(), issuer_options);
  test::CertificateOptions leaf;
  leaf.request_pem = authority_.requests[0].csr_pem;
  leaf.uri_sans = {kId};
  leaf.not_after = clock_.Now() + absl::Hours(1);
  authority_.Give(SigningReply{parent.SignedBy(issuer, leaf).chain_pem, parent.root_pem()});
  ASSERT_EQ(recorder_.identities.size(), 1u) << recorder_.last_error;
  EXPECT_EQ(source_->next_attempt(), clock_.Now() + absl::Minutes(5));
}

TEST_F(CaSourceTest, AsksOnceAtATime) {
  Advance(absl::Minutes(1));
  source_->RotateNow();
  EXPECT_EQ(authority_.requests.size(), 1u);
}

TEST_F(CaSourceTest, RotatesWhenToldHoweverYoungTheCertificate) {
  authority_.Answer();
  source_->RotateNow();
  EXPECT_EQ(authority_.waiting(), 1u);
}

TEST_F(CaSourceTest, RenewsSoonWhenItsIssuerIsOnItsWayOut) {
  authority_.Answer();
  source_->RenewSoon();
  EXPECT_EQ(authority_.waiting(), 0u) << "spread over some seconds";
  Advance(absl::Seconds(5));
  EXPECT_EQ(authority_.waiting(), 1u);
}

TEST_F(CaSourceTest, TriesAgainAfterAFailureAndKeepsTrying) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(authority_.waiting(), 1u) << "attempt " << i;
    authority_.Give(absl::UnavailableError("connect: connection refused"));
    EXPECT_EQ(authority_.waiting(), 0u);
    Advance(absl::Seconds(4));
  }
  EXPECT_EQ(recorder_.failures.size(), 50u);
  EXPECT_EQ(recorder_.failures.back(), Failure::kUnavailable);
  authority_.Answer();
  EXPECT_EQ(recorder_.identities.size(), 1u);
}

TEST_F(CaSourceTest, HealsAfterAnOutageThatOutlastedTheCertificate) {
  authority_.Answer();
  Advance(absl::Minutes(30));
  for (int i = 0; i < 40; ++i) {
    if (authority_.waiting() > 0) authority_.Give(absl::UnavailableError("away"));
    Advance(absl::Minutes(2));
  }
  ASSERT_GT(clock_.Now(), recorder_.identities[0]->not_after());
  ASSERT_EQ(authority_.waiting(), 1u);
  authority_.Answer();
  EXPECT_EQ(recorder_.identities.size(), 2u);
}

TEST_F(CaSourceTest, SpreadsWhatIsOverdueWhenTheWayIsOpenAgain) {
  authority_.Answer();
  source_->TryOverdue();
  EXPECT_EQ(authority_.waiting(), 0u) << "nothing was overdue";
  random_ = 0.99;
  Advance(absl::Minutes(31));
  authority_.Give(absl::UnavailableError("away"));
  source_->TryOverdue();
  EXPECT_EQ(authority_.waiting(), 0u);
  Advance(absl::Minutes(5));
  EXPECT_EQ(authority_.waiting(), 0u);
  Advance(absl::Minutes(1));
  EXPECT_EQ(authority_.waiting(), 1u);
}

TEST_F(CaSourceTest, WaitsOnceForAControlPlaneThatIsAwayThenTriesNonetheless) {
  authority_.Answer();
  source_->OnControlPlaneLost();
  Advance(absl::Minutes(30));
  EXPECT_EQ(authority_.waiting(), 0u) << "it is away, and there is time";
  Advance(absl::Seconds(8));
  EXPECT_EQ(authority_.waiting(), 1u) << "perhaps only its stream is";
  EXPECT_TRUE(recorder_.failures.empty());
}

TEST_F(CaSourceTest, SpreadsWhatFellDueWhileTheControlPlaneWasAway) {
  authority_.Answer();
  source_->OnControlPlaneLost();
  Advance(absl::Minutes(30));
  clock_.Advance(absl::Seconds(3));
  source_->TryOverdue();
  Advance(absl::Seconds(6));
  EXPECT_EQ(authority_.waiting(), 0u);
  Advance(absl::Seconds(12));
  EXPECT_EQ(authority_.waiting(), 1u);
}

TEST_F(CaSourceTest, WaitsForNobodyWhenToldToRotateOrWithLittleTimeLeft) {
  authority_.Answer();
  source_->OnControlPlaneLost();
  source_->RotateNow();
  ASSERT_EQ(authority_.waiting(), 1u);
  authority_.Answer();
  clock_.Advance(absl::Minutes(46));
  source_->Check();
  EXPECT_EQ(authority_.waiting(), 1u);
}

TEST_F(CaSourceTest, ToleratesClocksThatAreTwentySecondsApart) {
  for (const absl::Duration skew : {absl::Seconds(20), -absl::Seconds(20)}) {
    source_->RotateNow();
    if (authority_.waiting() == 0) continue;
    authority_.Answer([&](test::CertificateOptions& options) {
      *options.not_before += skew;
      *options.not_after += skew;
    });
  }
  EXPECT_EQ(recorder_.identities.size(), 2u);
  EXPECT_TRUE(recorder_.failures.empty());
}

TEST_F(CaSourceTest, HandlesClocksThatJumpByAnHourWithoutASpin) {
  authority_.lifetime = absl::Hours(24);
  random_ = 0.9;
  authority_.Answer();
  for (const absl::Duration jump :
       {absl::Hours(1), -absl::Hours(1), -absl::Hours(1), absl::Hours(1)}) {
    const size_t before = authority_.requests.size();
    Advance(jump);
    // The authority's clock did not jump: what it gives may not be valid here.
    for (int i = 0; i < 100; ++i) {
      if (authority_.waiting() > 0) authority_.Give(absl::UnavailableError("away"));
      Advance(absl::Milliseconds(10));
    }
    EXPECT_LE(authority_.requests.size() - before, 3u) << jump;
  }
  Advance(absl::Minutes(1));
  if (authority_.waiting() > 0) authority_.Answer();
  EXPECT_GT(source_->next_attempt(), clock_.Now() + absl::Hours(10)) << "all is as before";
}

TEST_F(CaSourceTest, HandsOverTheRootsOfAReplyWhenToldTo) {
  CaSource::Options options = Options();
  options.name = "istio-ca";
  options.roots = CaSource::Roots::kFromReply;
  FakeAuthority authority(clock_);
  CaSource source(*loop_, authority, std::move(options));
  Recorder recorder;
  source.Start(recorder);
  authority.Answer();
  ASSERT_EQ(recorder.bundles.size(), 1u);
  EXPECT_EQ(recorder.bundles[0][0].trust_domain, "cluster.local");
  EXPECT_EQ(recorder.bundles[0][0].roots_pem, authority.ca.root_pem());
  EXPECT_EQ(source.name(), "istio-ca");
  EXPECT_TRUE(recorder_.bundles.empty()) << "Kith's own authority gives none this way";
}

TEST_F(CaSourceTest, CountsRefusedTokensApart) {
  authority_.Give(absl::UnauthenticatedError("the token has expired"));
  ExpectRefused(Failure::kToken);
}

TEST_F(CaSourceTest, CountsRefusedRequestsApart) {
  authority_.Give(absl::InvalidArgumentError("bad CSR"));
  ExpectRefused(Failure::kRefused);
}

TEST_F(CaSourceTest, RefusesACertificateForAnotherKey) {
  authority_.Answer([](test::CertificateOptions& options) { options.request_pem.clear(); });
  ExpectRefused(Failure::kBadReply);
}

TEST_F(CaSourceTest, RefusesTheIdentityOfSomebodyElse) {
  authority_.Answer([](test::CertificateOptions& options) {
    options.uri_sans = {"spiffe://cluster.local/ns/demo/sa/frontend"};
  });
  ExpectRefused(Failure::kWrongIdentity);
  EXPECT_THAT(recorder_.last_error,
              AllOf(HasSubstr("sa/frontend"), HasSubstr("sa/backend"), HasSubstr("token")));
}

TEST_F(CaSourceTest, RefusesAnExpiredCertificateAndNamesBothClocks) {
  authority_.Answer([this](test::CertificateOptions& options) {
    options.not_after = clock_.Now() - absl::Seconds(1);
  });
  ExpectRefused(Failure::kNotValidNow);
  EXPECT_THAT(recorder_.last_error,
              AllOf(HasSubstr("to 2027-01-15T07:59:59Z"), HasSubstr("says 2027-01-15T08:00:00Z")));
}

TEST_F(CaSourceTest, RefusesACertificateThatIsNotYetValid) {
  authority_.Answer([this](test::CertificateOptions& options) {
    options.not_before = clock_.Now() + absl::Minutes(1);
  });
  ExpectRefused(Failure::kNotValidNow);
}

TEST_F(CaSourceTest, RefusesWhatIsNoWorkloadCertificate) {
  authority_.Answer([](test::CertificateOptions& options) { options.uri_sans.push_back("x:y"); });
  ExpectRefused(Failure::kBadReply);
}

TEST_F(CaSourceTest, RefusesATruncatedReply) {
  test::CertificateOptions options;
  options.request_pem = authority_.requests[0].csr_pem;
  options.uri_sans = {kId};
  const std::string pem = authority_.ca.Leaf(options).chain_pem;
  authority_.Give(SigningReply{pem.substr(0, pem.size() / 2), ""});
  ExpectRefused(Failure::kBadReply);
}

TEST_F(CaSourceTest, RefusesAHugeReply) {
  test::CertificateOptions options;
  options.request_pem = authority_.requests[0].csr_pem;
  options.uri_sans = {kId};
  const std::string pem = authority_.ca.Leaf(options).chain_pem;
  std::string huge;
  while (huge.size() < 300'000) huge += pem;
  authority_.Give(SigningReply{huge, ""});
  ExpectRefused(Failure::kBadReply);
}

TEST_F(CaSourceTest, RefusesAnEmptyReply) {
  authority_.Give(SigningReply{});
  ExpectRefused(Failure::kBadReply);
}

TEST_F(CaSourceTest, ReportsWhatTheObserverRefusesAndTriesAgain) {
  recorder_.verdict = absl::InternalError("unknown root");
  authority_.Answer();
  ExpectRefused(Failure::kUntrusted);
  recorder_.verdict = absl::OkStatus();
  Advance(absl::Seconds(4));
  authority_.Answer();
  EXPECT_EQ(recorder_.identities.size(), 1u);
}

TEST_F(CaSourceTest, DropsAnAnswerThatComesAfterItsEnd) {
  source_.reset();
  authority_.Answer();
  EXPECT_TRUE(recorder_.identities.empty());
}

TEST_F(CaSourceTest, ChecksTheClockByItself) {
  authority_.lifetime = absl::Seconds(2);
  authority_.Answer();
  clock_.Advance(absl::Seconds(1));
  // The timer of a 2 s certificate fires every 40 ms.
  while (authority_.waiting() == 0) loop_->RunOnce();
}

}  // namespace
}  // namespace kith::identity
