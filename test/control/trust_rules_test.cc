#include "source/control/trust_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kith/trust/v1/trust_policy.pb.h"
#include "source/policy/trust_policy.h"
#include "source/tls/context.h"

namespace kith::control {
namespace {

using trust::v1::TrustPolicy;
using trust::v1::TrustPolicySpec;
using Policies = google::protobuf::RepeatedPtrField<TrustPolicy>;

TrustPolicySpec& Add(Policies& policies, const std::string& name) {
  TrustPolicy& policy = *policies.Add();
  policy.mutable_metadata()->set_name(name);
  return *policy.mutable_spec();
}

TEST(TrustRulesTest, AreTheBootstrapsWithoutPolicies) {
  tls::TrustRules bootstrap;
  bootstrap.min_version = tls::MinVersion::kTls12;
  const auto rules = TranslateTrustPolicies({}, bootstrap);
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(*rules, bootstrap);
}

TEST(TrustRulesTest, TakeEachFieldFromTheFirstPolicyThatSetsIt) {
  Policies policies;
  TrustPolicySpec& first = Add(policies, "first");
  first.mutable_selector()->mutable_match_labels()->insert({"app", "backend"});
  first.set_revocation(TrustPolicySpec::HARD);
  (*first.mutable_port_client_certificates())[8080] = TrustPolicySpec::NONE;
  first.set_verify_depth(0);
  TrustPolicySpec& second = Add(policies, "second");
  second.set_revocation(TrustPolicySpec::OFF);
  second.set_min_version(TrustPolicySpec::TLS1_2);
  second.add_cipher_suites("ECDHE-RSA-AES256-GCM-SHA384");
  second.set_client_certificate(TrustPolicySpec::WANT);
  second.set_verify_depth(3);
  second.mutable_max_connection_age()->set_seconds(90);
  second.set_break_glass(TrustPolicySpec::FORBID);
  trust::v1::PinSet& pins = *second.add_pins();
  pins.add_principals("spiffe://a/b");
  pins.add_public_keys(std::string(64, 'a'));
  pins.add_certificates(std::string(64, 'b'));

  const auto rules = TranslateTrustPolicies(policies, {});
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(rules->peer.revocation, tls::RevocationMode::kHard);
  EXPECT_EQ(rules->peer.max_intermediates, 0);
  EXPECT_EQ(rules->ForPort(8080), tls::ClientCertificate::kNone);
  EXPECT_EQ(rules->ForPort(9090), tls::ClientCertificate::kWant);
  EXPECT_EQ(rules->min_version, tls::MinVersion::kTls12);
  EXPECT_THAT(rules->tls12_ciphers, testing::ElementsAre("ECDHE-RSA-AES256-GCM-SHA384"));
  EXPECT_EQ(rules->max_connection_age, absl::Seconds(90));
  EXPECT_FALSE(rules->break_glass_allowed);
  ASSERT_EQ(rules->peer.pins.size(), 1u);
  EXPECT_EQ(rules->peer.pins[0].public_keys[0][0], 0xaa);
  EXPECT_EQ(rules->peer.pins[0].certificates[0][31], 0xbb);
}

TEST(TrustRulesTest, RefuseAPolicyThatMeansNothing) {
  Policies policies;
  Add(policies, "bad").set_verify_depth(99);
  const auto rules = TranslateTrustPolicies(policies, {});
  EXPECT_THAT(std::string(rules.status().message()), testing::HasSubstr("default/bad: "));
}

TEST(TrustRulesTest, KnowEveryCipherSuiteThatAPolicyMayName) {
  for (const absl::string_view name : tls::Tls12Ciphers()) {
    Policies policies;
    Add(policies, "one").add_cipher_suites(std::string(name));
    EXPECT_TRUE(TranslateTrustPolicies(policies, {}).ok()) << name;
  }
}

}  // namespace
}  // namespace kith::control
