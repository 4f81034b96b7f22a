#include "source/controlplane/ca/leaf_horizon.h"

#include <gmock/gmock.h>

#include "test/controlplane/ca/fixture.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

class LeafHorizonTest : public CaFixture {
 protected:
  std::unique_ptr<LeafHorizon> Load() {
    auto horizon = LeafHorizon::Load(*state_);
    EXPECT_TRUE(horizon.ok()) << horizon.status();
    return horizon.ok() ? *std::move(horizon) : nullptr;
  }
  const absl::Time end_ = clock_.Now() + absl::Hours(1);
};

TEST_F(LeafHorizonTest, RemembersTheLastLeafOfEachRootOverARestart) {
  auto horizon = Load();
  ASSERT_TRUE(horizon->Cover("aa", end_, absl::Hours(1)).ok());
  ASSERT_TRUE(horizon->Cover("aa", end_ - absl::Minutes(30), absl::Hours(1)).ok());
  EXPECT_GE(horizon->End("aa"), end_);
  EXPECT_LE(horizon->End("aa"), end_ + absl::Minutes(1)) << "little more than a 64th of a life";
  EXPECT_EQ(horizon->End("bb"), absl::InfinitePast());
  const absl::Time end = horizon->End("aa");
  EXPECT_EQ(Load()->End("aa"), end);
}

TEST_F(LeafHorizonTest, WritesAheadSoThatAFullDiskStopsOnlyWhatIsNotCovered) {
  auto horizon = Load();
  ASSERT_TRUE(horizon->Cover("aa", end_, absl::Hours(1)).ok());
  const FullDisk full(1);
  EXPECT_TRUE(horizon->Cover("aa", end_ + absl::Seconds(30), absl::Hours(1)).ok());
  const absl::Status refused = horizon->Cover("aa", end_ + absl::Hours(1), absl::Hours(1));
  EXPECT_EQ(RefusalOf(refused), Refusal::kAuditUnavailable) << refused;
  EXPECT_LT(horizon->End("aa"), end_ + absl::Hours(1));
}

TEST_F(LeafHorizonTest, RefusesAFileItDidNotWrite) {
  for (const char* text : {"", "[]", "{\"aa\": \"soon\"}", "{\"aa\": 1"}) {
    directory_.Write("state/leaf-horizon.json", text);
    const auto horizon = LeafHorizon::Load(*state_);
    EXPECT_THAT(std::string(horizon.status().message()), HasSubstr("leaf-horizon.json")) << text;
  }
}

}  // namespace
}  // namespace kith::controlplane
