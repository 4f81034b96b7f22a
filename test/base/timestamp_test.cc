#include "source/base/timestamp.h"

#include <gtest/gtest.h>

namespace kith::base {
namespace {

TEST(TimestampTest, WritesWhatFormatTimeWrites) {
  const absl::Time times[] = {
      absl::UnixEpoch(), absl::FromUnixMicros(1'795'293'187'000'025),
      absl::FromUnixMicros(1'709'164'799'999'999),  // A leap day's last.
      absl::FromCivil(absl::CivilSecond(9999, 12, 31, 23, 59, 59), absl::UTCTimeZone()),
      absl::FromCivil(absl::CivilSecond(1, 1, 1), absl::UTCTimeZone())};
  for (const absl::Time time : times) {
    EXPECT_EQ(Rfc3339Micros(time),
              absl::FormatTime("%E4Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone()));
    EXPECT_EQ(DigitsOf(time), absl::FormatTime("%E4Y%m%d%H%M%S", time, absl::UTCTimeZone()));
  }
}

TEST(TimestampTest, HasNothingForYearsWithoutFourDigits) {
  for (const absl::Time time :
       {absl::InfinitePast(), absl::InfiniteFuture(),
        absl::FromCivil(absl::CivilSecond(10000, 1, 1), absl::UTCTimeZone())}) {
    EXPECT_EQ(Rfc3339Micros(time), "");
    EXPECT_EQ(DigitsOf(time), "");
  }
}

}  // namespace
}  // namespace kith::base
