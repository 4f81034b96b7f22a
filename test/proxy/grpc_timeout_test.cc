#include "source/proxy/grpc_timeout.h"

#include <gtest/gtest.h>

namespace kith::proxy {
namespace {

TEST(GrpcTimeoutTest, ReadsEveryUnit) {
  EXPECT_EQ(ParseGrpcTimeout("2H"), absl::Hours(2));
  EXPECT_EQ(ParseGrpcTimeout("3M"), absl::Minutes(3));
  EXPECT_EQ(ParseGrpcTimeout("99999999S"), absl::Seconds(99999999));
  EXPECT_EQ(ParseGrpcTimeout("0250m"), absl::Milliseconds(250));
  EXPECT_EQ(ParseGrpcTimeout("7u"), absl::Microseconds(7));
  EXPECT_EQ(ParseGrpcTimeout("0n"), absl::ZeroDuration());
}

TEST(GrpcTimeoutTest, RefusesEverythingElse) {
  for (absl::string_view text :
       {"", "S", "1", "1s", "-1S", "+1S", " 1S", "1S ", "1.5S", "123456789m", "1mS", "\xff\xffm"}) {
    EXPECT_EQ(ParseGrpcTimeout(text), absl::nullopt) << text;
  }
}

TEST(GrpcTimeoutTest, WritesWhatItCanRead) {
  EXPECT_EQ(FormatGrpcTimeout(absl::Milliseconds(1500)), "1500m");
  EXPECT_EQ(FormatGrpcTimeout(absl::Microseconds(1999)), "1m");
  EXPECT_EQ(FormatGrpcTimeout(absl::ZeroDuration()), "1m");
  EXPECT_EQ(FormatGrpcTimeout(absl::Hours(1000)), "3600000S");
  EXPECT_EQ(FormatGrpcTimeout(absl::InfiniteDuration()), "99999999S");
}

}  // namespace
}  // namespace kith::proxy
