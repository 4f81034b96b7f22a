#include "source/policy/peer_authentication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "source/config/document.h"

namespace kith::policy {
namespace {

using Mode = security::v1::PeerAuthenticationSpec::MutualTLS;
using security::v1::PeerAuthentication;

PeerAuthentication Policy(absl::string_view metadata, absl::string_view spec) {
  const auto policy = config::ParseSingle<PeerAuthentication>(
      absl::StrCat("metadata: {", metadata, "}\nspec: {", spec, "}\n"), "test.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *policy;
}

const PeerAuthentication kMesh = Policy("name: mesh, namespace: root", "mtls: {mode: STRICT}");
const PeerAuthentication kNamespace =
    Policy("name: ns, namespace: demo", "mtls: {mode: PERMISSIVE}");
const PeerAuthentication kOwn =
    Policy("name: own, namespace: demo",
           "selector: {matchLabels: {app: db}}, mtls: {mode: DISABLE}, portLevelMtls: {1: {mode: "
           "STRICT}, 2: "
           "{mode: UNSET}, 3: {mode: DISABLE}, 4: {}, 65535: {mode: PERMISSIVE}}");

absl::StatusOr<EffectiveMtls> Resolve(const std::vector<PeerAuthentication>& policies,
                                      absl::string_view name_space = "demo") {
  Labels labels;
  labels["app"] = "db";
  return ResolvePeerAuthentication(policies, {"root", name_space, labels});
}

Mode::Mode ModeOf(const std::vector<PeerAuthentication>& policies) {
  const auto effective = Resolve(policies);
  EXPECT_TRUE(effective.ok()) << effective.status();
  return effective.ok() ? effective->mode : Mode::UNSET;
}

std::string ErrorOf(const PeerAuthentication& policy) {
  return std::string(Validate(policy).message());
}

TEST(PeerAuthenticationTest, StartsPermissive) { EXPECT_EQ(ModeOf({}), Mode::PERMISSIVE); }

TEST(PeerAuthenticationTest, LetsTheNarrowerLevelWin) {
  EXPECT_EQ(ModeOf({kMesh}), Mode::STRICT);
  EXPECT_EQ(ModeOf({kNamespace, kMesh}), Mode::PERMISSIVE);
  EXPECT_EQ(ModeOf({kOwn, kNamespace, kMesh}), Mode::DISABLE);
}

TEST(PeerAuthenticationTest, InheritsWhereALevelIsUnset) {
  EXPECT_EQ(ModeOf({kMesh, Policy("name: ns, namespace: demo", "")}), Mode::STRICT);
  EXPECT_EQ(ModeOf({kMesh, Policy("name: ns, namespace: demo", "mtls: {mode: UNSET}")}),
            Mode::STRICT);
  EXPECT_EQ(ModeOf({kMesh, Policy("name: ns, namespace: demo", "mtls: {}")}), Mode::STRICT);
}

TEST(PeerAuthenticationTest, OverridesPortsThatAreSet) {
  const auto effective = Resolve({kMesh, kOwn});
  ASSERT_TRUE(effective.ok()) << effective.status();
  EXPECT_EQ(effective->mode, Mode::DISABLE);
  // Port 2 and 4 inherit; port 3 says what holds anyway.
  EXPECT_THAT(effective->port_modes, testing::ElementsAre(testing::Pair(1, Mode::STRICT),
                                                          testing::Pair(65535, Mode::PERMISSIVE)));
}

TEST(PeerAuthenticationTest, PassesOverOtherWorkloads) {
  EXPECT_EQ(ModeOf({Policy("name: x, namespace: other", "mtls: {mode: STRICT}"),
                    Policy("name: y, namespace: demo",
                           "selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}"),
                    Policy("name: broken, namespace: other", "portLevelMtls: {0: {}}")}),
            Mode::PERMISSIVE);
}

TEST(PeerAuthenticationTest, IgnoresSelectorsInTheRootNamespace) {
  const auto own_in_root = Policy("name: x, namespace: root",
                                  "selector: {matchLabels: {app: db}}, mtls: {mode: STRICT}");
  EXPECT_EQ(ModeOf({own_in_root}), Mode::PERMISSIVE);
}

TEST(PeerAuthenticationTest, TakesAPolicyOfTheRootNamespaceAsTheMeshsThereToo) {
  const auto effective = Resolve({kMesh, Policy("name: other, namespace: demo", "")}, "root");
  ASSERT_TRUE(effective.ok());
  EXPECT_EQ(effective->mode, Mode::STRICT);
}

TEST(PeerAuthenticationTest, TakesASelectorWithoutLabelsAsNone) {
  EXPECT_EQ(ModeOf({Policy("name: x, namespace: root", "selector: {}, mtls: {mode: STRICT}")}),
            Mode::STRICT);
}

TEST(PeerAuthenticationTest, RefusesTwoOfALevelWithoutTimestamps) {
  const auto other = Policy("name: other, namespace: demo", "mtls: {mode: STRICT}");
  EXPECT_EQ(Resolve({kNamespace, other}).status().message(),
            "demo/other: selects the same workloads as demo/ns does, and no "
            "metadata.creationTimestamp decides; remove one");
  const auto own = Policy("name: own2, namespace: demo", "selector: {matchLabels: {app: db}}");
  EXPECT_FALSE(Resolve({kOwn, own}).ok());
  EXPECT_TRUE(Resolve({kNamespace, kOwn, kMesh}).ok());
}

TEST(PeerAuthenticationTest, TakesTheOldestOfALevel) {
  const auto older = Policy("name: z, namespace: demo, creationTimestamp: \"2024-05-01T00:00:00Z\"",
                            "mtls: {mode: STRICT}");
  const auto newer = Policy("name: a, namespace: demo, creationTimestamp: 2024-05-01T00:00:01Z",
                            "mtls: {mode: DISABLE}");
  const auto same = Policy("name: b, namespace: demo, creationTimestamp: 2024-05-01T02:00:00+02:00",
                           "mtls: {mode: DISABLE}");
  EXPECT_EQ(ModeOf({older, newer}), Mode::STRICT);
  EXPECT_EQ(ModeOf({newer, older}), Mode::STRICT);
  // Created in the same second: the name decides, so that every reader decides alike.
  EXPECT_EQ(ModeOf({older, same}), Mode::DISABLE);
  EXPECT_EQ(ModeOf({same, older}), Mode::DISABLE);
}

TEST(PeerAuthenticationTest, RefusesWhatMeansNothing) {
  EXPECT_EQ(ErrorOf(Policy("name: x", "")), "");
  EXPECT_EQ(ErrorOf(Policy("namespace: demo", "")), "demo/: metadata.name: is missing");
  EXPECT_EQ(ErrorOf(Policy("name: x", "portLevelMtls: {80: {}}")),
            "default/x: spec.portLevelMtls: needs a selector with labels: a port belongs to "
            "workloads, not to a namespace");
  const char kSelector[] = "selector: {matchLabels: {a: b}}, portLevelMtls: ";
  EXPECT_EQ(ErrorOf(Policy("name: x", absl::StrCat(kSelector, "{0: {}}"))),
            "default/x: spec.portLevelMtls[0]: a port is 1 to 65535");
  EXPECT_NE(ErrorOf(Policy("name: x", absl::StrCat(kSelector, "{65536: {}}"))), "");
  EXPECT_NE(ErrorOf(Policy("name: x", "selector: {matchLabels: {a: \"*\"}}")), "");
  EXPECT_NE(ErrorOf(Policy("name: x, creationTimestamp: yesterday", "")), "");
  auto unknown = kMesh;
  unknown.mutable_spec()->mutable_mtls()->set_mode(static_cast<Mode::Mode>(9));
  EXPECT_EQ(ErrorOf(unknown), "root/mesh: spec.mtls.mode: unknown value 9");
  EXPECT_FALSE(Resolve({unknown}).ok());
}

}  // namespace
}  // namespace kith::policy
