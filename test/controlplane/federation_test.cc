#include "source/controlplane/federation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/tls/spiffe_bundle.h"
#include "test/support/run_until.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

class FederationTest : public ::testing::Test {
 protected:
  void Start(const std::string& file) {
    Federation::Options options;
    options.entries = {{.trust_domain = "partner.example", .file = directory_.File(file)}};
    options.recheck = absl::Milliseconds(20);
    options.watch = {.quiet = absl::Milliseconds(5), .longest = absl::Milliseconds(20)};
    federation_ = std::make_unique<Federation>(
        *loop_, options, [this](const std::vector<tls::TrustBundle::Domain>& domains) {
          given_.push_back(domains);
        });
  }
  bool Await(size_t count) {
    return test::RunUntil(*loop_, [&] { return given_.size() >= count; });
  }
  std::string Problem() const { return federation_->standings().at("partner.example").problem; }
  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }

  test::TemporaryDirectory directory_;
  test::TemporaryCa first_;
  test::TemporaryCa second_;
  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  std::unique_ptr<Federation> federation_;
  std::vector<std::vector<tls::TrustBundle::Domain>> given_;
};

TEST_F(FederationTest, ReadsRootsInPemAndFollowsTheirFile) {
  directory_.Write("partner.pem", first_.root_pem());
  Start("partner.pem");
  ASSERT_EQ(given_.size(), 1u);
  ASSERT_EQ(given_[0].size(), 1u);
  EXPECT_EQ(given_[0][0].trust_domain, "partner.example");
  EXPECT_EQ(given_[0][0].roots_pem, first_.root_pem());
  directory_.Write("partner.pem", second_.root_pem());
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(given_[1][0].roots_pem, second_.root_pem());
}

TEST_F(FederationTest, ReadsASpiffeBundleWithItsSequence) {
  directory_.Write("partner.json", *tls::FormatSpiffeBundle({first_.root_pem(), 12}));
  Start("partner.json");
  ASSERT_EQ(given_.size(), 1u);
  EXPECT_EQ(given_[0][0].roots_pem, first_.root_pem());
  EXPECT_EQ(given_[0][0].generation, 12u);
}

TEST_F(FederationTest, KeepsTheLastGoodRootsOfABrokenFile) {
  directory_.Write("partner.pem", first_.root_pem());
  Start("partner.pem");
  directory_.Write("partner.pem", "junk");
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return !Problem().empty(); }));
  EXPECT_THAT(Problem(), HasSubstr("certificate"));
  EXPECT_EQ(given_.size(), 1u);
  directory_.Write("partner.pem", second_.root_pem());
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(Problem(), "");
}

TEST_F(FederationTest, WaitsForAFileThatIsNotThereYet) {
  Start("later/partner.pem");
  EXPECT_NE(Problem(), "");
  directory_.Write("later/partner.pem", first_.root_pem());
  EXPECT_TRUE(Await(1));
}

TEST_F(FederationTest, RefusesALeafAsARoot) {
  directory_.Write("partner.pem", first_.Leaf("spiffe://partner.example/a").certificate_pem);
  Start("partner.pem");
  EXPECT_TRUE(given_.empty());
  EXPECT_NE(Problem(), "");
}

}  // namespace
}  // namespace kith::controlplane
