#include "source/policy/trust_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "source/config/document.h"

namespace kith::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using trust::v1::TrustPolicy;

// Of namespace "demo", with `spec` as YAML's flow form.
TrustPolicy Policy(absl::string_view name, absl::string_view spec,
                   absl::string_view name_space = "demo", absl::string_view created = "") {
  auto policy = config::ParseSingle<TrustPolicy>(
      absl::StrCat("metadata: {name: ", name, ", namespace: ", name_space,
                   created.empty() ? "" : ", creationTimestamp: '", created,
                   created.empty() ? "" : "'", "}\nspec: ", spec, "\n"),
      "policy.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy.value_or(TrustPolicy());
}

std::string ErrorOf(absl::string_view spec) {
  return std::string(Validate(Policy("p", spec)).message());
}

std::vector<std::string> Order(const std::vector<TrustPolicy>& policies) {
  Labels labels;
  labels["app"] = "backend";
  std::vector<std::string> names;
  for (const auto* policy : SelectTrustPolicies(policies, {"kith-system", "demo", labels})) {
    names.push_back(policy->metadata().name());
  }
  return names;
}

constexpr char kPin[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
constexpr char kHexPin[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(TrustPolicyTest, AcceptsEveryField) {
  EXPECT_EQ(ErrorOf(absl::StrCat(
                "{selector: {matchLabels: {app: backend}}, minVersion: TLS1_2, cipherSuites: "
                "[ECDHE-ECDSA-AES128-GCM-SHA256], clientCertificate: WANT, portClientCertificates: "
                "{8080: NONE}, verifyDepth: 0, revocation: HARD, maxConnectionAge: 3600s, "
                "breakGlass: FORBID, pins: [{principals: ['spiffe://cluster.local/ns/demo/*'], "
                "certificates: ['",
                kPin, "'], publicKeys: ['", kHexPin, "']}]}")),
            "");
}

TEST(TrustPolicyTest, RefusesWhatMeansNothing) {
  EXPECT_THAT(ErrorOf("{cipherSuites: [RC4-SHA]}"), HasSubstr("demo/p: spec.cipherSuites[0]"));
  EXPECT_THAT(ErrorOf("{verifyDepth: 9}"), HasSubstr("spec.verifyDepth: must be 0 to 8"));
  EXPECT_THAT(ErrorOf("{maxConnectionAge: 0s}"), HasSubstr("spec.maxConnectionAge"));
  EXPECT_THAT(ErrorOf("{portClientCertificates: {80: NONE}}"), HasSubstr("needs a selector"));
  EXPECT_THAT(ErrorOf("{selector: {matchLabels: {a: b}}, portClientCertificates: {99999: NONE}}"),
              HasSubstr("a port is 1 to 65535"));
  EXPECT_THAT(ErrorOf(absl::StrCat("{pins: [{publicKeys: [", kHexPin, ", ", kHexPin, "]}]}")),
              HasSubstr("spec.pins[0].principals: is required"));
  EXPECT_THAT(ErrorOf("{pins: [{principals: [backend], publicKeys: [a, b]}]}"),
              HasSubstr("spec.pins[0].principals[0]: is no SPIFFE ID"));
  EXPECT_THAT(ErrorOf("{pins: [{principals: ['spiffe://a/*'], publicKeys: [a, b]}]}"),
              HasSubstr("spec.pins[0].publicKeys[0]: is no SHA-256"));
}

TEST(TrustPolicyTest, AsksForABackupPin) {
  EXPECT_THAT(ErrorOf(absl::StrCat("{pins: [{principals: ['spiffe://a/*'], publicKeys: [", kHexPin,
                                   "]}]}")),
              HasSubstr("spec.pins[0]: needs a second pin"));
}

TEST(TrustPolicyTest, ReadsPinsInHexAndBase64) {
  const auto pin = ParsePin(kPin);
  ASSERT_TRUE(pin.ok()) << pin.status();
  EXPECT_EQ(*ParsePin(kHexPin), *pin);
  EXPECT_EQ(
      *ParsePin("E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:"
                "1B:78:52:B8:55"),
      *pin);
  for (const char* bad : {"", "abc", "47DEQpj8", "zz"}) EXPECT_FALSE(ParsePin(bad).ok()) << bad;
}

TEST(TrustPolicyTest, OrdersTheMostSpecificFirstAndThenTheOldest) {
  const std::string mine = "{selector: {matchLabels: {app: backend}}}";
  EXPECT_THAT(Order({Policy("mesh", "{revocation: SOFT}", "kith-system"),
                     Policy("mesh-labels", mine, "kith-system"), Policy("namespace", "{}"),
                     Policy("young", mine, "demo", "2026-02-01T00:00:00Z"), Policy("undated", mine),
                     Policy("old", mine, "demo", "2026-01-01T00:00:00Z"),
                     Policy("elsewhere", mine, "other"),
                     Policy("others", "{selector: {matchLabels: {app: frontend}}}")}),
              ElementsAre("old", "young", "undated", "namespace", "mesh-labels", "mesh"));
}

}  // namespace
}  // namespace kith::policy
