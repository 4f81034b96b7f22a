#include "source/policy/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/policy/compile_rule.h"
#include "source/policy/lint_cover.h"
#include "source/policy/lint_value.h"
#include "test/policy/generator.h"
#include "test/policy/policy_text.h"

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

using Codes = std::vector<std::string>;

Codes CodesOf(const std::vector<AuthorizationPolicy>& policies) {
  LintInput input;
  input.policies = policies;
  Codes codes;
  const std::vector<Finding> findings = Lint(input);
  codes.reserve(findings.size());
  for (const Finding& finding : findings) codes.push_back(finding.code);
  return codes;
}
Codes CodesOf(absl::string_view spec) { return CodesOf(std::vector{PolicyOf(spec)}); }
Codes FromCodes(absl::string_view source) {
  return CodesOf(absl::StrCat("{rules: [{from: [{source: {", source, "}}]}]}"));
}
Codes ToCodes(absl::string_view operation, absl::string_view action = "ALLOW") {
  return CodesOf(
      absl::StrCat("{action: ", action, ", rules: [{to: [{operation: {", operation, "}}]}]}"));
}

AuthorizationPolicy Named(std::string name, absl::string_view spec) {
  AuthorizationPolicy policy = PolicyOf(spec);
  policy.mutable_metadata()->set_name(std::move(name));
  return policy;
}

constexpr char kPrincipal[] = "principals: [cluster.local/ns/demo/sa/web]";

TEST(LintTest, FindsNothingInWhatIsMeant) {
  EXPECT_THAT(FromCodes(kPrincipal), IsEmpty());
  EXPECT_THAT(ToCodes("methods: [GET], paths: [/items, \"/items/{*}\"], ports: [\"80\"]"),
              IsEmpty());
  EXPECT_THAT(CodesOf("{}"), IsEmpty());
}

TEST(LintTest, TellsWhatValidationRefuses) {
  const std::vector<AuthorizationPolicy> policies = {
      PolicyOf("{rules: [{to: [{operation: {ports: [http]}}]}]}")};
  LintInput input;
  input.policies = policies;
  const std::vector<Finding> findings = Lint(input);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Finding::Severity::kError);
  EXPECT_EQ(findings[0].code, "invalid");
  EXPECT_EQ(findings[0].policy, "demo/p");
  EXPECT_EQ(findings[0].field, "spec.rules[0].to[0].operation.ports[0]");
  EXPECT_EQ(findings[0].what, "\"http\" is not a port; write a number from 0 to 65535");
}

TEST(LintTest, RefusesTwoPoliciesOfOneName) {
  EXPECT_THAT(CodesOf({PolicyOf("{}"), PolicyOf("{}")}), ElementsAre("duplicate-name"));
}

TEST(LintTest, WarnsOfHttpFieldsThatVanishOnTcp) {
  EXPECT_THAT(ToCodes("paths: [/a]", "DENY"), ElementsAre("http-fields-without-ports"));
  EXPECT_THAT(ToCodes("hosts: [a]", "DENY"), Contains("http-fields-without-ports"));
  EXPECT_THAT(ToCodes("paths: [/a], ports: [\"80\"]", "DENY"), IsEmpty());
  EXPECT_THAT(CodesOf("{action: DENY, rules: [{to: [{operation: {paths: [/a]}}], when: [{key: "
                      "destination.port, values: [\"80\"]}]}]}"),
              IsEmpty());
  EXPECT_THAT(CodesOf("{action: DENY, rules: [{when: [{key: \"request.headers[x]\", values: "
                      "[a]}]}]}"),
              ElementsAre("http-fields-without-ports"));
}

TEST(LintTest, WarnsOfValuesThatNeverMatch) {
  EXPECT_THAT(ToCodes("methods: [get]"), ElementsAre("method-case"));
  EXPECT_THAT(ToCodes("paths: [items]"), ElementsAre("path-never-matches"));
  EXPECT_THAT(ToCodes("paths: [\"/a?x\"]"), ElementsAre("path-never-matches"));
  EXPECT_THAT(ToCodes("paths: [//a]"), ElementsAre("path-never-matches"));
  EXPECT_THAT(ToCodes("paths: [\"/a/*/b\"]"), ElementsAre("star-is-literal"));
  EXPECT_THAT(FromCodes("requestPrincipals: [\"https://idp*\"]"), ElementsAre("request-principal"));
  EXPECT_THAT(FromCodes("requestPrincipals: [\"*/*\"]"), ElementsAre("request-principal"));
  EXPECT_THAT(FromCodes("requestPrincipals: [\"https://idp/*\"]"), IsEmpty());
  EXPECT_THAT(FromCodes("principals: [web]"), ElementsAre("principal-form"));
  EXPECT_THAT(CodesOf("{rules: [{when: [{key: source.principal, values: [demo/web]}]}]}"),
              ElementsAre("unknown-trust-domain"));
}

TEST(LintTest, KnowsTheTrustDomainsOfTheMesh) {
  const std::vector<AuthorizationPolicy> policies = {PolicyOf(
      "{rules: [{from: [{source: {principals: [old.example/ns/a/sa/b, far.example/ns/a/sa/b, "
      "cluster.local/ns/a/sa/b, \"*/ns/a/sa/b\", \"corp.*\"]}}]}]}")};
  LintInput input;
  input.policies = policies;
  input.mesh.trust_domain = "corp.example";
  input.mesh.trust_domain_aliases = {"old.example"};
  const std::vector<Finding> findings = Lint(input);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].field, "spec.rules[0].from[0].source.principals[1]");
  input.federated_trust_domains = {"far.example"};
  EXPECT_THAT(Lint(input), IsEmpty());
}

TEST(LintTest, WarnsOfWhatLetsMoreThroughThanItSeems) {
  EXPECT_THAT(FromCodes("notNamespaces: [a]"), ElementsAre("allows-plaintext"));
  EXPECT_THAT(FromCodes("notNamespaces: [a], principals: [\"*\"]"), IsEmpty());
  EXPECT_THAT(FromCodes("ipBlocks: [10.0.0.0/8]"), ElementsAre("allows-by-address"));
  EXPECT_THAT(FromCodes("remoteIpBlocks: [10.0.0.0/8]"), ElementsAre("remote-ip"));
  EXPECT_THAT(ToCodes("notPaths: [/a]"), ElementsAre("allows-by-exclusion"));
  EXPECT_THAT(CodesOf("{rules: [{}]}"), ElementsAre("allows-everything"));
  EXPECT_THAT(ToCodes("hosts: [a, \"a:*\"]"), ElementsAre("host-is-forgeable"));
  EXPECT_THAT(ToCodes("hosts: [a]"), ElementsAre("host-is-forgeable", "host-without-port"));
}

TEST(LintTest, WarnsOfDenialsThatPlaintextEvades) {
  const std::vector<AuthorizationPolicy> policies = {
      PolicyOf(absl::StrCat("{action: DENY, rules: [{from: [{source: {", kPrincipal, "}}]}]}"))};
  EXPECT_THAT(CodesOf(policies), ElementsAre("plaintext-evades"));
  security::v1::PeerAuthentication strict;
  strict.mutable_metadata()->set_name("strict");
  strict.mutable_metadata()->set_namespace_("demo");
  strict.mutable_spec()->mutable_mtls()->set_mode(
      security::v1::PeerAuthenticationSpec::MutualTLS::STRICT);
  const std::vector<security::v1::PeerAuthentication> peers = {strict};
  LintInput input;
  input.policies = policies;
  input.peer_authentications = peers;
  EXPECT_THAT(Lint(input), IsEmpty());
}

TEST(LintTest, WarnsOfRulesThatOthersMakePointless) {
  const auto allow = [](std::string name, absl::string_view paths) {
    return Named(std::move(name),
                 absl::StrCat("{rules: [{to: [{operation: {paths: [", paths, "]}}]}]}"));
  };
  EXPECT_THAT(CodesOf({allow("a", "\"/x/*\""), allow("b", "/x/y, /x/z")}), ElementsAre("shadowed"));
  EXPECT_THAT(CodesOf({allow("a", "\"/x/*\""), allow("b", "/x/y, /z")}), IsEmpty());
  EXPECT_THAT(CodesOf({allow("a", "/x"), allow("b", "/x")}), ElementsAre("shadowed"));
  const AuthorizationPolicy deny_all = Named("d", "{action: DENY, rules: [{}]}");
  EXPECT_THAT(CodesOf({deny_all, allow("a", "/x")}), ElementsAre("never-allows"));
  const AuthorizationPolicy deny_other =
      Named("d", "{selector: {matchLabels: {app: x}}, action: DENY, rules: [{}]}");
  EXPECT_THAT(CodesOf({deny_other, allow("a", "/x")}), IsEmpty());
  AuthorizationPolicy dry = deny_all;
  (*dry.mutable_metadata()->mutable_annotations())["istio.io/dry-run"] = "true";
  EXPECT_THAT(CodesOf({dry, allow("a", "/x")}), IsEmpty());
}

TEST(LintTest, WarnsOfRulesThatContradictThemselves) {
  EXPECT_THAT(FromCodes("principals: [\"*\"], notPrincipals: [\"*\"]"),
              ElementsAre("never-matches"));
  EXPECT_THAT(CodesOf("{rules: [{to: [{operation: {methods: [GET]}}], when: [{key: "
                      "\"request.headers[:method]\", values: [PUT]}]}]}"),
              IsEmpty());
  EXPECT_THAT(CodesOf("{rules: [{to: [{operation: {ports: [\"80\"]}}], when: [{key: "
                      "destination.port, values: [\"81\"]}]}]}"),
              ElementsAre("never-matches"));
}

TEST(LintTest, WarnsOfSelectorsThatSelectNobody) {
  const std::vector<AuthorizationPolicy> policies = {
      PolicyOf("{selector: {matchLabels: {app: backendd}}}")};
  LintInput input;
  input.policies = policies;
  EXPECT_THAT(Lint(input), IsEmpty());
  KnownLabels service{"demo", {}, KnownLabels::Extent::kSome};
  service.labels["app"] = "backend";
  input.workloads = {service};
  ASSERT_EQ(Lint(input).size(), 1u);
  EXPECT_EQ(Lint(input)[0].code, "selects-nothing");
  // Its workloads may have the label.
  service.labels.clear();
  service.labels["tier"] = "front";
  input.workloads.push_back(service);
  EXPECT_THAT(Lint(input), IsEmpty());
  input.workloads = {{"other", {}, KnownLabels::Extent::kAll}};
  EXPECT_EQ(Lint(input)[0].field, "metadata.namespace");
}

TEST(LintTest, WarnsOfWhatSidecarsDoNotObey) {
  EXPECT_THAT(CodesOf("{targetRefs: [{kind: Service, name: a}]}"), ElementsAre("for-gateways"));
  AuthorizationPolicy audit = PolicyOf("{action: AUDIT, rules: [{}]}");
  (*audit.mutable_metadata()->mutable_annotations())["istio.io/dry-run"] = "true";
  EXPECT_THAT(CodesOf({audit}), ElementsAre("dry-run-ignored"));
  EXPECT_THAT(CodesOf("{selector: {}}"), ElementsAre("selects-everything"));
}

// One rule of random policies, with its policy alone.
struct OneRule {
  AuthorizationPolicy policy;
  RuleTable table;
};

OneRule RandomRule(Generator& generator, AuthorizationPolicySpec::Action action) {
  for (;;) {
    for (AuthorizationPolicy policy : generator.Policies()) {
      if (policy.spec().rules_size() == 0 ||
          policy.spec().action() == AuthorizationPolicySpec::CUSTOM) {
        continue;
      }
      const security::v1::Rule rule = policy.spec().rules(0);
      policy.mutable_metadata()->clear_annotations();
      policy.mutable_spec()->clear_target_refs();
      policy.mutable_spec()->clear_target_ref();
      policy.mutable_spec()->clear_rules();
      *policy.mutable_spec()->add_rules() = rule;
      policy.mutable_spec()->set_action(action);
      OneRule one{std::move(policy), {}};
      const std::vector<std::string> domains = {"cluster.local"};
      CompileRule(rule,
                  {domains, one.policy.metadata().namespace_(),
                   action == AuthorizationPolicySpec::ALLOW ? Effect::kAdmits : Effect::kRefuses},
                  one.table);
      return one;
    }
  }
}

TEST(LintCoverTest, IsRightWheneverItSaysYes) {
  Generator generator(11);
  int covered_pairs = 0;
  for (int i = 0; i < 4'000; ++i) {
    const bool denies = i % 2 == 0;
    const OneRule cover = RandomRule(
        generator, denies ? AuthorizationPolicySpec::DENY : AuthorizationPolicySpec::ALLOW);
    const OneRule covered = RandomRule(generator, AuthorizationPolicySpec::ALLOW);
    const Effect effect = denies ? Effect::kRefuses : Effect::kAdmits;
    if (!Covers(cover.table, covered.table, effect)) continue;
    ++covered_pairs;
    const auto wide = PolicySet::Compile({cover.policy}, {});
    const auto narrow = PolicySet::Compile({covered.policy}, {});
    ASSERT_TRUE(wide.ok() && narrow.ok());
    for (int r = 0; r < 60; ++r) {
      const EngineRequest request(generator.Request());
      if (!(*narrow)->Decide(request.get()).allowed) continue;
      ASSERT_EQ((*wide)->Decide(request.get()).allowed, !denies)
          << cover.policy.DebugString() << covered.policy.DebugString();
    }
  }
  EXPECT_GT(covered_pairs, 10);
}

TEST(LintCoverTest, SaysThatARuleNeverMatchesOnlyIfSo) {
  Generator generator(12);
  int never = 0;
  for (int i = 0; i < 4'000; ++i) {
    const bool denies = i % 2 == 0;
    const OneRule rule = RandomRule(
        generator, denies ? AuthorizationPolicySpec::DENY : AuthorizationPolicySpec::ALLOW);
    if (!NeverMatches(rule.table, denies ? Effect::kRefuses : Effect::kAdmits)) continue;
    ++never;
    const auto compiled = PolicySet::Compile({rule.policy}, {});
    ASSERT_TRUE(compiled.ok());
    for (int r = 0; r < 60; ++r) {
      const EngineRequest request(generator.Request());
      ASSERT_EQ((*compiled)->Decide(request.get()).allowed, denies) << rule.policy.DebugString();
    }
  }
  EXPECT_GT(never, 10);
}

}  // namespace
}  // namespace kith::policy
