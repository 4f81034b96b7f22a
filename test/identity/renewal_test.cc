#include "source/identity/renewal.h"

#include <gtest/gtest.h>

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
  EXPECT_EQ(waits, (std::vector<int64_t>{4000, 8000, 16000, 22500, 22500, 22500, 22500, 22500}));
}

TEST_F(RenewalTest, WaitsAnywhereBelowTheCeiling) {
  Hold(absl::Hours(24));
  random_ = 0.0;
  renewal_.Failed(kNow);
  EXPECT_EQ(renewal_.due(), kNow);
  random_ = 0.5;
  renewal_.Failed(kNow);
  EXPECT_EQ(renewal_.due(), kNow + absl::Seconds(4));
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
  Hold(absl::Minutes(2));
  EXPECT_EQ(renewal_.LongestWait(kNow), absl::Seconds(4));
}

TEST_F(RenewalTest, StartsWithShortWaitsWhereLifetimesAreSeconds) {
  Hold(absl::Seconds(2));
  EXPECT_EQ(renewal_.FirstWait(), absl::Milliseconds(125));
  EXPECT_EQ(renewal_.LongestWait(kNow), absl::Milliseconds(500));
  EXPECT_EQ(renewal_.CheckInterval(), absl::Milliseconds(40));
}

TEST_F(RenewalTest, ForgetsFailuresOnSuccess) {
  random_ = 0.999999;
  for (int i = 0; i < 10; ++i) renewal_.Failed(kNow);
  Hold(absl::Hours(24));
  renewal_.Failed(kNow);
  EXPECT_LE(renewal_.due(), kNow + absl::Seconds(4));
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

TEST_F(RenewalTest, SpreadsWhatIsOverdueOverAQuarterOfTheTimeThatIsLeft) {
  Hold(absl::Seconds(40));
  renewal_.SpreadOverdue(kNow + absl::Seconds(24));
  EXPECT_EQ(renewal_.due(), kNow + absl::Seconds(26));
  Hold(absl::Hours(24));
  renewal_.SpreadOverdue(kNow + absl::Hours(13));
  EXPECT_EQ(renewal_.due(), kNow + absl::Hours(13) + absl::Seconds(15));
  renewal_.SpreadOverdue(kNow + absl::Hours(24));
  EXPECT_EQ(renewal_.due(), kNow + absl::Hours(24)) << "an ended certificate is of no use";
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
