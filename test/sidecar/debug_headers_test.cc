#include "source/sidecar/debug_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/manual_clock.h"
#include "test/support/run_until.h"

namespace kith::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kFrontend[] = "spiffe://cluster.local/ns/demo/sa/frontend";

class DebugHeadersTest : public testing::Test {
 protected:
  std::string Started(const std::string& principal, absl::Duration time = absl::Minutes(10)) {
    return std::string(headers_.Start({principal, time, "alice (uid 7)"}).message());
  }

  const std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  test::ManualClock clock_;
  std::vector<std::string> applied_;
  DebugHeaders headers_{
      *loop_,
      {.apply = [this](std::vector<std::string> ids) { applied_ = std::move(ids); },
       .clock = &clock_}};
};

TEST_F(DebugHeadersTest, AreForACallerByEitherFormOfItsName) {
  EXPECT_EQ(Started("cluster.local/ns/demo/sa/frontend"), "");
  EXPECT_THAT(applied_, ElementsAre(kFrontend));
  EXPECT_EQ(Started("spiffe://cluster.local/ns/demo/sa/other"), "");
  EXPECT_EQ(Started(kFrontend), "") << "named anew";
  EXPECT_THAT(applied_, ElementsAre(kFrontend, "spiffe://cluster.local/ns/demo/sa/other"));
  EXPECT_THAT(headers_.Json(), HasSubstr("\"who\":\"alice (uid 7)\""));
}

TEST_F(DebugHeadersTest, RefuseWhatIsNoNameAndNoTimeWithinTheLimit) {
  EXPECT_THAT(Started(""), HasSubstr("\"principal\""));
  EXPECT_THAT(Started("*"), HasSubstr("\"principal\""));
  EXPECT_THAT(Started(kFrontend, absl::Hours(2)), HasSubstr("must be 1 s to 1h"));
  EXPECT_THAT(Started(kFrontend, absl::ZeroDuration()), HasSubstr("must be 1 s to 1h"));
  EXPECT_THAT(applied_, IsEmpty());
}

TEST_F(DebugHeadersTest, AreForAFewCallersAtOnce) {
  for (size_t i = 0; i < DebugHeaders::kMostCallers; ++i) {
    EXPECT_EQ(Started("cluster.local/ns/demo/sa/n" + std::to_string(i)), "");
  }
  EXPECT_THAT(Started(kFrontend), HasSubstr("end one first"));
  EXPECT_EQ(Started("cluster.local/ns/demo/sa/n0"), "");
}

TEST_F(DebugHeadersTest, EndWhenAskedAndByThemselves) {
  EXPECT_EQ(Started(kFrontend), "");
  EXPECT_THAT(headers_.End("cluster.local/ns/demo/sa/other", "bob").message(),
              HasSubstr("does not have them"));
  EXPECT_THAT(applied_, ElementsAre(kFrontend));
  EXPECT_TRUE(headers_.End(kFrontend, "bob").ok());
  EXPECT_THAT(applied_, IsEmpty());
  EXPECT_EQ(Started(kFrontend, absl::Seconds(1)), "");
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return applied_.empty(); }));
  EXPECT_EQ(headers_.Json(), "{\"callers\":[]}\n");
}

}  // namespace
}  // namespace kith::sidecar
