#include "source/policy/select.h"

#include <gtest/gtest.h>

#include "kith/security/v1/authorization_policy.pb.h"

namespace kith::policy {
namespace {

security::v1::AuthorizationPolicy PolicyIn(const char* name_space) {
  security::v1::AuthorizationPolicy policy;
  policy.mutable_metadata()->set_namespace_(name_space);
  return policy;
}

class SelectTest : public testing::Test {
 protected:
  SelectTest() {
    labels_["app"] = "backend";
    labels_["version"] = "v1";
  }

  bool SelectsDemo(const security::v1::AuthorizationPolicy& policy) const {
    return Selects(policy, {"istio-system", "demo", labels_});
  }

  Labels labels_;
};

TEST_F(SelectTest, LooksInTheWorkloadsAndTheRootNamespace) {
  EXPECT_TRUE(SelectsDemo(PolicyIn("demo")));
  EXPECT_TRUE(SelectsDemo(PolicyIn("istio-system")));
  EXPECT_FALSE(SelectsDemo(PolicyIn("other")));
  EXPECT_FALSE(SelectsDemo(PolicyIn("")));
  EXPECT_TRUE(Selects(PolicyIn(""), {"istio-system", "default", labels_}));
}

TEST_F(SelectTest, WantsEveryLabelOfTheSelector) {
  auto policy = PolicyIn("demo");
  auto& wanted = *policy.mutable_spec()->mutable_selector()->mutable_match_labels();
  EXPECT_TRUE(SelectsDemo(policy));
  wanted["app"] = "backend";
  EXPECT_TRUE(SelectsDemo(policy));
  wanted["version"] = "v2";
  EXPECT_FALSE(SelectsDemo(policy));
  wanted["version"] = "v1";
  EXPECT_TRUE(SelectsDemo(policy));
  wanted["tier"] = "";
  EXPECT_FALSE(SelectsDemo(policy));
}

TEST_F(SelectTest, SpansNamespacesWithASelectorInTheRoot) {
  auto policy = PolicyIn("istio-system");
  auto& wanted = *policy.mutable_spec()->mutable_selector()->mutable_match_labels();
  wanted["app"] = "backend";
  EXPECT_TRUE(SelectsDemo(policy));
  wanted["app"] = "frontend";
  EXPECT_FALSE(SelectsDemo(policy));
}

TEST_F(SelectTest, LeavesPoliciesForGatewaysToGateways) {
  auto policy = PolicyIn("demo");
  policy.mutable_spec()->add_target_refs()->set_name("gateway");
  EXPECT_FALSE(SelectsDemo(policy));
  policy.mutable_spec()->clear_target_refs();
  policy.mutable_spec()->mutable_target_ref()->set_name("gateway");
  EXPECT_FALSE(SelectsDemo(policy));
}

TEST(ValidateSelectorTest, RefusesEmptyKeysAndWildcards) {
  security::v1::WorkloadSelector selector;
  EXPECT_TRUE(ValidateSelector(selector).ok());
  (*selector.mutable_match_labels())["app"] = "a*";
  EXPECT_EQ(ValidateSelector(selector).message(),
            "matchLabels[\"app\"]: wildcards are not supported in labels; name each value");
  selector.clear_match_labels();
  (*selector.mutable_match_labels())["a*"] = "a";
  EXPECT_FALSE(ValidateSelector(selector).ok());
  selector.clear_match_labels();
  (*selector.mutable_match_labels())[""] = "a";
  EXPECT_FALSE(ValidateSelector(selector).ok());
}

TEST(ValidateScopeTest, AsksForANameAndSoundLabels) {
  meta::v1::ObjectMeta metadata;
  security::v1::WorkloadSelector selector;
  EXPECT_EQ(ValidateScope(metadata, selector).message(), "metadata.name: is missing");
  metadata.set_name("p");
  EXPECT_TRUE(ValidateScope(metadata, selector).ok());
  (*selector.mutable_match_labels())[""] = "x";
  EXPECT_EQ(ValidateScope(metadata, selector).message(),
            "spec.selector: matchLabels: a label has an empty key");
}

TEST(ValidateCreationTimeTest, TakesAnRfc3339TimeOrNone) {
  meta::v1::ObjectMeta metadata;
  EXPECT_TRUE(ValidateCreationTime(metadata).ok());
  metadata.set_creation_timestamp("2024-05-01T12:00:00Z");
  EXPECT_TRUE(ValidateCreationTime(metadata).ok());
  metadata.set_creation_timestamp("yesterday");
  EXPECT_FALSE(ValidateCreationTime(metadata).ok());
}

}  // namespace
}  // namespace kith::policy
