#include "source/ctl/table.h"

#include <gtest/gtest.h>

namespace kith::ctl {
namespace {

TEST(TableTest, MakesColumnsAsWideAsTheirWidestCell) {
  Table table({"NAME", "SERIAL", "END"});
  table.AddRow({"a", "0123456789", "x"});
  table.AddRow({"longer", "1", ""});
  EXPECT_EQ(table.ToString(),
            "NAME    SERIAL      END\n"
            "a       0123456789  x\n"
            "longer  1           -\n");
}

TEST(TableTest, TellsDurationsInTwoUnits) {
  EXPECT_EQ(ShortDuration(absl::Milliseconds(900)), "0s");
  EXPECT_EQ(ShortDuration(absl::Seconds(43)), "43s");
  EXPECT_EQ(ShortDuration(absl::Seconds(61)), "1m1s");
  EXPECT_EQ(ShortDuration(absl::Hours(24) - absl::Seconds(1)), "23h59m");
  EXPECT_EQ(ShortDuration(absl::Hours(24 * 89 + 4)), "89d4h");
  EXPECT_EQ(ShortDuration(-absl::Seconds(5)), "-5s");
}

TEST(TableTest, TellsTimesFromNow) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(
      FromNow(absl::FormatTime(absl::RFC3339_full, now + absl::Seconds(43), absl::UTCTimeZone()),
              now),
      "in 43s");
  EXPECT_EQ(
      FromNow(absl::FormatTime(absl::RFC3339_full, now - absl::Minutes(2), absl::UTCTimeZone()),
              now),
      "2m0s ago");
  EXPECT_EQ(FromNow("", now), "-");
  EXPECT_EQ(FromNow("yesterday", now), "-");
}

}  // namespace
}  // namespace kith::ctl
