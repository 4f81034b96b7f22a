#include "source/identity/renewal.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "absl/random/random.h"

namespace kith::identity {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class RenewalTest : public ::testing::Test {
 protected:
  void Hold(absl::Duration lifetime) {
    renewal_.Succeeded(kNow, kNow - absl::Minutes(2), kNow + lifetime);
  }

  double random_ = 0.5;
  Renewal renewal_{[this] { return random_; }};
};

TEST_F(RenewalTest, IsDueAtOnceWithoutACertificate) {
  EXPECT_TRUE(renewal_.IsDue(kNow));
  EXPECT_TRUE(renewal_.IsOverdue(kNow));
}

TEST_F(RenewalTest, IsDueAtHalfOfWhatIsLeftNotOfTheBackDatedLife) {
  Hold(absl::Minutes(10));
  EXPECT_FALSE(renewal_.IsDue(kNow + absl::Seconds(299)));
  EXPECT_TRUE(renewal_.IsDue(kNow + absl::Seconds(300)));
  EXPECT_TRUE(renewal_.IsOverdue(kNow + absl::Seconds(300)));
}

TEST_F(RenewalTest, SpreadsRenewalsOverFivePercentToEitherSide) {
  random_ = 0.0;
  Hold(absl::Seconds(1000));
  EXPECT_EQ(renewal_.due(), kNow + absl::Seconds(450));
  random_ = 0.999999;
  Hold(absl::Seconds(1000));
  EXPECT_GT(renewal_.due(), kNow + absl::Seconds(549));
  EXPECT_LE(renewal_.due(), kNow + absl::Seconds(550));
}

TEST_F(RenewalTest, DoublesTheCeilingOfItsWaitsUpToAnEighthOfTheLifetime) {
  random_ = 0.999999;
  Hold(absl::Minutes(3));  // An eighth: 22.5 s.
  std::vector<int64_t> waits;
  for (int i = 0; i < 8; ++i) {
    renewal_.Failed(kNow);
    waits.push_back(absl::ToInt64Milliseconds(renewal_.due() - kNow + absl::Microseconds(999)));
  }
  EXPECT_EQ(waits, (std::vector<int64_t>{8000, 16000, 22500, 22500, 22500, 22500, 22500, 22500}));
}

TEST_F(RenewalTest, WaitsInTheUpperHalfBelowTheCeilingWhileThereIsTime) {
  Hold(absl::Hours(24));
  random_ = 0.0;
  renewal_.Failed(kNow);
  EXPECT_EQ(renewal_.due(), kNow + absl::Seconds(4));
  random_ = 0.5;
  renewal_.Failed(kNow);
  EXPECT_EQ(renewal_.due(), kNow + absl::Seconds(12));
}

TEST_F(RenewalTest, WaitsAnywhereBelowTheCeilingWhenThereIsLittleTimeOrNone) {
  random_ = 0.0;
  renewal_.Failed(kNow);
  EXPECT_EQ(renewal_.due(), kNow);
  Hold(absl::Hours(24));
  renewal_.Failed(kNow + absl::Hours(18));
  EXPECT_EQ(renewal_.due(), kNow + absl::Hours(18));
}

TEST_F(RenewalTest, NeverWaitsLongerThanHalfAMinute) {
  Hold(absl::Hours(24));
  EXPECT_EQ(renewal_.LongestWait(kNow), absl::Seconds(30));
}

TEST_F(RenewalTest, WaitsAtMostFourSecondsWhereLittleTimeIsLeft) {
  Hold(absl::Hours(1));
  EXPECT_EQ(renewal_.LongestWait(kNow + absl::Minutes(44)), absl::Seconds(30));
  EXPECT_EQ(renewal_.LongestWait(kNow + absl::Minutes(45)), absl::Seconds(4));
  EXPECT_EQ(renewal_.LongestWait(kNow + absl::Hours(5)), absl::Seconds(4));
}

TEST_F(RenewalTest, StartsWithShortWaitsWhereLifetimesAreSeconds) {
  Hold(absl::Seconds(2));
  EXPECT_EQ(renewal_.FirstWait(), absl::Milliseconds(250));
  EXPECT_EQ(renewal_.LongestWait(kNow), absl::Milliseconds(500));
  EXPECT_EQ(renewal_.CheckInterval(), absl::Milliseconds(40));
}

TEST_F(RenewalTest, ForgetsFailuresOnSuccess) {
  random_ = 0.999999;
  for (int i = 0; i < 10; ++i) renewal_.Failed(kNow);
  Hold(absl::Hours(24));
  renewal_.Failed(kNow);
  EXPECT_LE(renewal_.due(), kNow + absl::Seconds(8));
}

TEST_F(RenewalTest, IsNotStoppedByAClockSetBackDuringAWait) {
  Hold(absl::Hours(1));
  random_ = 0.999999;
  renewal_.Failed(kNow);
  EXPECT_FALSE(renewal_.IsDue(kNow));
  EXPECT_TRUE(renewal_.IsDue(kNow - absl::Hours(24)));
}

TEST_F(RenewalTest, RenewsACertificateFromTheFuture) {
  Hold(absl::Hours(1));
  EXPECT_FALSE(renewal_.IsDue(kNow + absl::Seconds(1)));
  EXPECT_TRUE(renewal_.IsDue(kNow - absl::Hours(24)));
  EXPECT_TRUE(renewal_.IsOverdue(kNow - absl::Hours(24)));
}

TEST_F(RenewalTest, NoticesAClockSetForward) {
  Hold(absl::Hours(1));
  EXPECT_TRUE(renewal_.IsDue(kNow + absl::Hours(24 * 365)));
}

TEST_F(RenewalTest, BringsARenewalForwardSpreadOverTenSecondsAtMost) {
  Hold(absl::Hours(24));
  renewal_.BringForward(kNow + absl::Seconds(1));
  EXPECT_EQ(renewal_.due(), kNow + absl::Seconds(6));
  EXPECT_FALSE(renewal_.IsDue(kNow + absl::Seconds(5)));
  EXPECT_TRUE(renewal_.IsOverdue(kNow + absl::Seconds(6)));
  Hold(absl::Seconds(20));
  renewal_.BringForward(kNow);
  EXPECT_EQ(renewal_.due(), kNow + absl::Milliseconds(2500));
}

TEST_F(RenewalTest, TriesWhatIsLateAfterTwiceToSixTimesItsLateness) {
  Hold(absl::Hours(24));
  const absl::Time late = kNow + absl::Hours(12) + absl::Minutes(5);
  for (const auto& [random, minutes] : {std::pair(0.0, 10), {0.5, 20}, {0.999999, 30}}) {
    random_ = 0.5;
    Hold(absl::Hours(24));
    random_ = random;
    renewal_.SpreadOverdue(late);
    EXPECT_LE(absl::AbsDuration(renewal_.due() - late - absl::Minutes(minutes)), absl::Seconds(1));
  }
}

TEST_F(RenewalTest, PutsOffWhatIsLateByHalfOfTheTimeThatIsLeftAtMost) {
  for (const double random : {0.0, 0.25, 0.5, 0.75, 0.999999}) {
    random_ = 0.5;
    Hold(absl::Seconds(40));
    random_ = random;
    const absl::Time late = kNow + absl::Seconds(34);  // By 14 s.
    renewal_.SpreadOverdue(late);
    EXPECT_GE(renewal_.due(), late);
    EXPECT_LE(renewal_.due(), late + absl::Seconds(3));
  }
}

TEST_F(RenewalTest, WaitsForNothingWithoutAValidCertificate) {
  Hold(absl::Hours(24));
  renewal_.SpreadOverdue(kNow + absl::Hours(24));
  EXPECT_EQ(renewal_.due(), kNow + absl::Hours(24));
}

// 3,000 sidecars that renew evenly over half of a lifetime of 10 minutes; the authority is away for
// 30 s or 60 s. Nobody retries in between: the worst case for the return.
TEST_F(RenewalTest, WorksOffAnOutageBelowTwiceTheSteadyRateAndLosesNobody) {
  absl::BitGen bits(std::seed_seq{1, 2, 3});
  const auto random = [&bits] { return absl::Uniform(bits, 0.0, 1.0); };
  constexpr int kSidecars = 3000;
  for (const absl::Duration outage : {absl::Seconds(30), absl::Seconds(60)}) {
    const absl::Time back = kNow + absl::Minutes(5) + outage;
    std::map<int64_t, int> by_ten;  // Seconds: where chance counts little.
    for (int i = 0; i < kSidecars; ++i) {
      Renewal renewal(random);
      // Received evenly over the half lifetime before the authority went away.
      const absl::Time received = kNow + absl::Minutes(5) * i / kSidecars;
      renewal.Succeeded(received, received, received + absl::Minutes(10));
      if (renewal.IsOverdue(back)) renewal.SpreadOverdue(back);
      EXPECT_LT(renewal.due(), received + absl::Minutes(10));
      if (renewal.due() >= back) by_ten[absl::ToInt64Seconds(renewal.due() - back) / 10]++;
    }
    constexpr int kSteady = 10;  // A second.
    for (const auto& [ten, count] : by_ten) {
      EXPECT_LE(count, 2 * kSteady * 10) << outage << ", from " << ten << "0 s";
    }
  }
}

TEST_F(RenewalTest, NeverPutsOffWhatIsDueSooner) {
  Hold(absl::Hours(24));
  renewal_.DueNow(kNow);
  renewal_.BringForward(kNow);
  EXPECT_EQ(renewal_.due(), kNow);
}

TEST_F(RenewalTest, RotatesWhenTold) {
  Hold(absl::Hours(1));
  renewal_.DueNow(kNow + absl::Seconds(1));
  EXPECT_TRUE(renewal_.IsDue(kNow + absl::Seconds(1)));
  EXPECT_FALSE(renewal_.IsOverdue(kNow + absl::Seconds(1)));
}

}  // namespace
}  // namespace kith::identity
