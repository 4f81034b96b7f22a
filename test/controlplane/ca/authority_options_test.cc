#include "source/controlplane/ca/authority_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const kith::config::v1::ControlPlaneConfig& config) {
  return std::string(AuthorityOptions::From(config).status().message());
}

TEST(AuthorityOptionsTest, FillsInTheDefaults) {
  auto options = AuthorityOptions::From({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->trust_domain, "cluster.local");
  EXPECT_EQ(options->root_namespace, "istio-system");
  EXPECT_EQ(options->root_lifetime, absl::Hours(87600));
  EXPECT_EQ(options->default_leaf_lifetime, absl::Hours(24));
  EXPECT_EQ(options->max_leaf_lifetime, absl::Hours(24));
  EXPECT_EQ(options->min_leaf_lifetime, absl::Seconds(1));
  EXPECT_EQ(options->backdate, absl::Minutes(2));
}

TEST(AuthorityOptionsTest, TakesWhatIsGiven) {
  kith::config::v1::ControlPlaneConfig config;
  config.set_trust_domain("example.org");
  config.mutable_ca()->mutable_max_leaf_lifetime()->set_seconds(20);
  config.mutable_ca()->mutable_backdate()->set_seconds(0);
  config.mutable_ca()->set_certificate_file("a");
  config.mutable_ca()->set_key_file("b");
  config.mutable_ca()->set_root_file("c");
  auto options = AuthorityOptions::From(config);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->trust_domain, "example.org");
  EXPECT_EQ(options->max_leaf_lifetime, absl::Seconds(20));
  EXPECT_EQ(options->default_leaf_lifetime, absl::Seconds(20));
  EXPECT_EQ(options->backdate, absl::ZeroDuration());
  EXPECT_EQ(options->key_file, "b");
}

TEST(AuthorityOptionsTest, NamesTheFieldThatIsWrong) {
  kith::config::v1::ControlPlaneConfig config;
  config.set_trust_domain("Example");
  EXPECT_THAT(ErrorOf(config), HasSubstr("trust_domain"));
  config.Clear();
  config.mutable_ca()->set_key_file("b");
  EXPECT_THAT(ErrorOf(config), HasSubstr("ca.certificate_file: missing"));
  config.mutable_ca()->set_certificate_file("a");
  EXPECT_THAT(ErrorOf(config), HasSubstr("ca.root_file: missing"));
  config.Clear();
  config.mutable_ca()->mutable_default_leaf_lifetime()->set_seconds(7 * 86400);
  EXPECT_THAT(ErrorOf(config), HasSubstr("ca.default_leaf_lifetime: 168h is not between"));
  config.Clear();
  config.mutable_ca()->mutable_min_leaf_lifetime()->set_seconds(-5);
  EXPECT_THAT(ErrorOf(config), HasSubstr("ca.min_leaf_lifetime"));
  config.mutable_ca()->mutable_min_leaf_lifetime()->set_seconds(2 * 86400);
  EXPECT_THAT(ErrorOf(config), HasSubstr("raise that too"));
  config.Clear();
  config.mutable_ca()->mutable_backdate()->set_seconds(7200);
  EXPECT_THAT(ErrorOf(config), HasSubstr("ca.backdate"));
}

}  // namespace
}  // namespace kith::controlplane
