#include "source/policy/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "source/policy/validate_rule.h"
#include "test/policy/policy_text.h"

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;

absl::Status Check(absl::string_view spec) { return Validate(PolicyOf(spec), "istio-system"); }

// "OK" or "INVALID: ...", without the policy's name.
std::string Verdict(const absl::Status& status) {
  if (status.ok()) return "OK";
  EXPECT_EQ(status.message().substr(0, 8), "demo/p: ");
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return absl::StrCat("INVALID: ", status.message().substr(8));
}
std::string Verdict(absl::string_view spec) { return Verdict(Check(spec)); }

std::string Source(absl::string_view source) {
  return Verdict(absl::StrCat("{rules: [{from: [{source: {", source, "}}]}]}"));
}
std::string Operation(absl::string_view operation) {
  return Verdict(absl::StrCat("{rules: [{}, {to: [{operation: {", operation, "}}]}]}"));
}
std::string When(absl::string_view condition) {
  return Verdict(absl::StrCat("{rules: [{when: [{", condition, "}]}]}"));
}

TEST(ValidateTest, AcceptsWhatIsEnforced) {
  EXPECT_EQ(Verdict("{}"), "OK");
  EXPECT_EQ(Verdict("{rules: [{}]}"), "OK");
  EXPECT_EQ(Verdict("{action: DENY, rules: [{}]}"), "OK");
  EXPECT_EQ(Source("principals: [\"*\", td/ns/a/sa/b], notPrincipals: [a], namespaces: [\"a*b\"], "
                   "notNamespaces: [a]"),
            "OK");
  EXPECT_EQ(Operation("ports: [\"0\", \"65535\"], notPorts: [\"1\"], methods: [GET], notMethods: "
                      "[P*], paths: [/a*], notPaths: [\"*b\"]"),
            "OK");
}

TEST(ValidateTest, NamesThePolicyAndTheField) {
  auto policy = PolicyOf("{rules: [{from: [{source: {principals: [a]}}]}]}");
  policy.mutable_spec()->mutable_rules(0)->mutable_from(0)->mutable_source()->set_principals(0, "");
  EXPECT_EQ(Validate(policy, "root").message(),
            "demo/p: spec.rules[0].from[0].source.principals[0]: is empty; \"*\" matches any value "
            "that is present");
  policy.mutable_metadata()->clear_namespace_();
  EXPECT_EQ(PolicyName(policy), "default/p");
  policy.mutable_metadata()->clear_name();
  EXPECT_EQ(Validate(policy, "root").message(), "default/: metadata.name: is missing");
}

TEST(ValidateTest, RefusesEmptyValuesEverywhere) {
  for (absl::string_view field :
       {"principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals", "namespaces",
        "notNamespaces", "ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks",
        "serviceAccounts", "notServiceAccounts", "trustDomains", "notTrustDomains"}) {
    EXPECT_EQ(Source(absl::StrCat(field, ": [\"\"]")).substr(0, 8), "INVALID:") << field;
  }
  for (absl::string_view field :
       {"hosts", "notHosts", "ports", "notPorts", "methods", "notMethods", "paths", "notPaths"}) {
    EXPECT_EQ(Operation(absl::StrCat(field, ": [\"\"]")).substr(0, 8), "INVALID:") << field;
  }
}

TEST(ValidateTest, RefusesEmptySourcesAndOperations) {
  AuthorizationPolicy policy = PolicyOf("{}");
  policy.mutable_spec()->add_rules()->add_from();
  EXPECT_EQ(Verdict(Validate(policy, "root")),
            "INVALID: spec.rules[0].from[0].source: must not be empty; name principals or "
            "namespaces, or remove the \"from\"");
  policy.mutable_spec()->mutable_rules(0)->clear_from();
  policy.mutable_spec()->mutable_rules(0)->add_to()->mutable_operation();
  EXPECT_EQ(Verdict(Validate(policy, "root")),
            "INVALID: spec.rules[0].to[0].operation: must not be empty; name methods, paths or "
            "ports, or remove the \"to\"");
}

TEST(ValidateTest, ReadsAddressesAndBlocks) {
  for (absl::string_view field :
       {"ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"}) {
    EXPECT_EQ(Source(absl::StrCat(field, ": [10.0.0.1, 10.0.0.0/8, \"::1\", \"2001:db8::/32\"]")),
              "OK");
    for (absl::string_view block : {"10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "a",
                                    "::1/129", "10.0.0.1:80", "*", "fe80::1%eth0"}) {
      EXPECT_EQ(Source(absl::StrCat(field, ": [\"", block, "\"]")).substr(0, 8), "INVALID:")
          << block;
    }
  }
  EXPECT_EQ(
      Source("ipBlocks: [\"10.0.0.0/33\"]"),
      "INVALID: spec.rules[0].from[0].source.ipBlocks[0]: \"10.0.0.0/33\" is no IP address or "
      "block; write 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32");
}

TEST(ValidateTest, TakesServiceAccountsLiterally) {
  EXPECT_EQ(Source("serviceAccounts: [a, b/c], notServiceAccounts: [d], trustDomains: [td]"), "OK");
  for (absl::string_view value : {"a*", "*", "a/b/c", "/a", "a/"}) {
    EXPECT_EQ(Source(absl::StrCat("serviceAccounts: [\"", value, "\"]")).substr(0, 8), "INVALID:")
        << value;
  }
  EXPECT_EQ(Source(absl::StrCat("serviceAccounts: [", std::string(321, 'a'), "]")).substr(0, 8),
            "INVALID:");
  EXPECT_EQ(Source("serviceAccounts: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]"), "OK");
  EXPECT_EQ(Source("serviceAccounts: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]").substr(0, 8),
            "INVALID:");
  EXPECT_EQ(Source("serviceAccounts: [a], namespaces: [b]"),
            "INVALID: spec.rules[0].from[0].source.serviceAccounts: cannot stand beside principals "
            "or namespaces; keep one of them");
  EXPECT_EQ(Source("notServiceAccounts: [a], principals: [b]").substr(0, 8), "INVALID:");
}

TEST(ValidateTest, ChecksTrustDomains) {
  EXPECT_EQ(Source("trustDomains: [td, \"*\", \"*.td\", \"td*\"]"), "OK");
  for (absl::string_view value : {"a/b", "a*b", "*a*", "**", "Td"}) {
    EXPECT_EQ(Source(absl::StrCat("notTrustDomains: [\"", value, "\"]")).substr(0, 8), "INVALID:")
        << value;
  }
}

TEST(ValidateTest, KnowsEveryConditionKey) {
  for (absl::string_view key : {"source.namespace",
                                "source.principal",
                                "source.serviceAccount",
                                "source.trustDomain",
                                "request.auth.principal",
                                "request.auth.audiences",
                                "request.auth.presenter",
                                "request.auth.claims[a]",
                                "request.auth.claims[a][b.c]",
                                "request.headers[X-a]",
                                "request.headers[:authority]",
                                "connection.sni",
                                "source.certificate.subject.cn",
                                "source.certificate.subject.o",
                                "source.certificate.subject.ou",
                                "source.certificate.serial",
                                "source.certificate.issuer",
                                "source.certificate.fingerprint",
                                "source.certificate.dns",
                                "source.certificate.extension[1.2.840.1]"}) {
    EXPECT_EQ(When(absl::StrCat("key: \"", key, "\", values: [a]")), "OK") << key;
  }
  EXPECT_EQ(When("key: source.ip, values: [10.0.0.1]"), "OK");
  EXPECT_EQ(When("key: remote.ip, notValues: [10.0.0.1]"), "OK");
  EXPECT_EQ(When("key: destination.ip, values: [10.0.0.1]"), "OK");
  EXPECT_EQ(When("key: destination.port, values: [\"80\"]"), "OK");
}

TEST(ValidateTest, RefusesConditionKeysItDoesNotKnow) {
  for (absl::string_view key :
       {"source", "source.Ip", "request.headers", "request.headers[]", "request.headers[a",
        "request.headers[a][b]", "request.headers[a b]", "request.headers[a]x",
        "request.auth.claims", "request.auth.claims[]", "request.auth.claims[a][]",
        "request.auth.claims.a", "experimental.envoy.filters.a[b]", "connection.SNI",
        "source.certificate.extension[1.]", "source.certificate.extension[a]",
        "source.certificate.subject", "request.path"}) {
    EXPECT_EQ(When(absl::StrCat("key: \"", key, "\", values: [a]")).substr(0, 37),
              "INVALID: spec.rules[0].when[0].key: \"")
        << key;
  }
  EXPECT_EQ(When("key: source.ip, values: [a]").substr(0, 8), "INVALID:");
  EXPECT_EQ(When("key: destination.port, notValues: [http]").substr(0, 8), "INVALID:");
}

TEST(ValidateTest, KeepsIdentitiesOutOfCustom) {
  const auto custom = [](absl::string_view rule) {
    return Verdict(absl::StrCat("{action: CUSTOM, provider: {name: x}, rules: [{", rule, "}]}"));
  };
  EXPECT_EQ(custom(""), "OK");
  EXPECT_EQ(custom("from: [{source: {ipBlocks: [10.0.0.1]}}], to: [{operation: {paths: [/a]}}]"),
            "OK");
  for (absl::string_view field : {"principals", "notPrincipals", "namespaces", "notNamespaces",
                                  "serviceAccounts", "notServiceAccounts", "trustDomains",
                                  "notTrustDomains", "requestPrincipals", "notRequestPrincipals"}) {
    EXPECT_EQ(custom(absl::StrCat("from: [{source: {", field, ": [a]}}]")).substr(0, 8), "INVALID:")
        << field;
  }
  for (absl::string_view key : {"source.principal", "source.namespace", "request.auth.principal",
                                "request.auth.claims[a]", "request.auth.audiences"}) {
    EXPECT_EQ(custom(absl::StrCat("when: [{key: \"", key, "\", values: [a]}]")).substr(0, 8),
              "INVALID:")
        << key;
  }
  EXPECT_EQ(Verdict("{action: CUSTOM, rules: [{}]}"),
            "INVALID: spec.provider.name: CUSTOM needs the name of an extension provider");
  EXPECT_EQ(Verdict("{action: CUSTOM, provider: {name: x}}").substr(0, 20), "INVALID: spec.rules:");
}

TEST(ValidateTest, KnowsEveryFieldOfTheLanguage) {
  // A field added to the API must be enforced or refused: until this test knows it, neither is
  // sure.
  EXPECT_EQ(security::v1::Source::descriptor()->field_count(), 14);
  EXPECT_EQ(security::v1::Operation::descriptor()->field_count(), 8);
  EXPECT_EQ(security::v1::Rule::descriptor()->field_count(), 3);
  EXPECT_EQ(security::v1::Rule::From::descriptor()->field_count(), 1);
  EXPECT_EQ(security::v1::Rule::To::descriptor()->field_count(), 1);
  EXPECT_EQ(AuthorizationPolicySpec::descriptor()->field_count(), 6);
}

TEST(ValidateTest, RefusesAnUnknownActionFromTheWire) {
  auto policy = PolicyOf("{rules: [{}]}");
  policy.mutable_spec()->set_action(static_cast<AuthorizationPolicySpec::Action>(7));
  EXPECT_EQ(Verdict(Validate(policy, "root")), "INVALID: spec.action: unknown value 7");
}

TEST(ValidateTest, HintsAtPrincipalsThatNeverMatch) {
  EXPECT_EQ(Source("principals: [\"spiffe://td/ns/a/sa/b\"]"),
            "INVALID: spec.rules[0].from[0].source.principals[0]: principals are written without "
            "\"spiffe://\" and never match with it; write \"td/ns/a/sa/b\"");
  EXPECT_EQ(Source("notPrincipals: [\"SPIFFE://td/ns/a/sa/b\"]").substr(0, 8), "INVALID:");
  EXPECT_EQ(Source("principals: [Cluster.local/ns/a/sa/b]"),
            "INVALID: spec.rules[0].from[0].source.principals[0]: trust domains are lower-case and "
            "\"Cluster.local\" never matches one");
  EXPECT_EQ(Source("principals: [\"*/sa/Upper\", td/ns/A/sa/B]"), "OK");
  EXPECT_EQ(Source("namespaces: [ns/a]"),
            "INVALID: spec.rules[0].from[0].source.namespaces[0]: a namespace holds no \"/\"; did "
            "you mean principals, as in \"cluster.local/ns/a/sa/b\"?");
}

TEST(ValidateTest, WantsPortsAsNumbers) {
  EXPECT_EQ(
      Operation("ports: [http]"),
      "INVALID: spec.rules[1].to[0].operation.ports[0]: \"http\" is not a port; write a number "
      "from 0 to 65535");
  for (absl::string_view port : {"65536", "-1", "+1", " 1", "1 ", "0x1", "1.0", "*", "80-90",
                                 "4294967376", "99999999999999999999"}) {
    EXPECT_EQ(Operation(absl::StrCat("notPorts: [\"", port, "\"]")).substr(0, 8), "INVALID:")
        << port;
    EXPECT_EQ(ParsePort(port), -1);
  }
  EXPECT_EQ(ParsePort("0080"), 80);
  EXPECT_EQ(ParsePort("65535"), 65535);
  EXPECT_EQ(ParsePort(""), -1);
}

TEST(ValidateTest, ReadsPathTemplates) {
  EXPECT_EQ(Operation("paths: [\"/a/{*}/b\"]"), "OK");
  EXPECT_EQ(Operation("notPaths: [\"/a/{**}\", \"/{*}/b/{**}/c.d\"]"), "OK");
  for (absl::string_view path :
       {"/a/{*}.txt", "/x{*}", "/{**}/{*}", "/{**}/{**}", "/{*}/b*", "{*}", "/*/{*}"}) {
    EXPECT_EQ(Operation(absl::StrCat("paths: [\"", path, "\"]")).substr(0, 8), "INVALID:") << path;
  }
  EXPECT_EQ(Operation("paths: [\"/a/{id}\"]").substr(0, 8), "INVALID:");
  EXPECT_EQ(Operation("paths: [\"/a}\"]").substr(0, 8), "INVALID:");
  EXPECT_EQ(Operation("paths: [\"/{/{*}\"]").substr(0, 8), "INVALID:");
  EXPECT_EQ(Operation("methods: [\"{\"]"), "OK");
}

TEST(ValidateTest, WantsRulesInADeny) {
  EXPECT_EQ(Verdict("{action: DENY}"),
            "INVALID: spec.rules: a DENY without rules denies nothing; write [{}] to deny all");
  EXPECT_EQ(Verdict("{action: DENY, provider: {name: x}, rules: [{}]}"),
            "INVALID: spec.provider: belongs to the action CUSTOM only; remove it");
}

TEST(ValidateTest, WantsKeyAndValuesInConditions) {
  EXPECT_EQ(When("values: [a]"), "INVALID: spec.rules[0].when[0]: needs a key");
  EXPECT_EQ(When("key: a"), "INVALID: spec.rules[0].when[0]: needs values or notValues");
  EXPECT_EQ(When("key: a, values: [\"\"]").substr(0, 8), "INVALID:");
}

TEST(ValidateTest, ReadsTheDryRunAnnotationAsGoDoes) {
  const auto verdict = [](const char* value) {
    auto policy = PolicyOf("{rules: [{}]}");
    (*policy.mutable_metadata()->mutable_annotations())["istio.io/dry-run"] = value;
    return Verdict(Validate(policy, "root"));
  };
  EXPECT_EQ(verdict("true"), "OK");
  EXPECT_EQ(verdict("T"), "OK");
  EXPECT_EQ(verdict("false"), "OK");
  EXPECT_EQ(verdict("0"), "OK");
  EXPECT_EQ(verdict("yes"),
            "INVALID: metadata.annotations[\"istio.io/dry-run\"]: must be \"true\" or \"false\"");
}

TEST(ValidateTest, ChecksTargetsOfGateways) {
  const auto target = [](absl::string_view ref) {
    return Verdict(absl::StrCat("{targetRefs: [{", ref, "}]}"));
  };
  EXPECT_EQ(target("group: gateway.networking.k8s.io, kind: Gateway, name: g"), "OK");
  EXPECT_EQ(target("kind: Service, name: g"), "OK");
  EXPECT_EQ(target("group: networking.istio.io, kind: ServiceEntry, name: g"), "OK");
  EXPECT_EQ(target("kind: Service"), "INVALID: spec.targetRefs[0]: needs a name");
  EXPECT_EQ(target("kind: Service, name: g, namespace: demo").substr(0, 8), "INVALID:");
  EXPECT_EQ(target("kind: Pod, name: g").substr(0, 8), "INVALID:");
  const char kClass[] =
      "{targetRefs: [{group: gateway.networking.k8s.io, kind: GatewayClass, name: "
      "g}]}";
  EXPECT_EQ(Verdict(kClass).substr(0, 8), "INVALID:");
  EXPECT_EQ(Verdict(Validate(PolicyOf(kClass), "demo")), "OK");
  EXPECT_EQ(Verdict("{targetRef: {kind: Service}}").substr(0, 24), "INVALID: spec.targetRef:");
  EXPECT_EQ(Verdict("{selector: {matchLabels: {a: b}}, targetRef: {kind: Service, name: g}}"),
            "INVALID: spec.selector: cannot stand beside targetRefs; keep one of them");
  EXPECT_EQ(Verdict("{targetRef: {kind: Service, name: g}, targetRefs: [{kind: Service, name: g}]}")
                .substr(0, 8),
            "INVALID:");
}

TEST(ValidateTest, BoundsItsParts) {
  auto policy = PolicyOf("{}");
  for (int i = 0; i < 512; ++i) policy.mutable_spec()->add_rules();
  EXPECT_EQ(Verdict(Validate(policy, "root")), "OK");
  policy.mutable_spec()->add_rules();
  EXPECT_EQ(Verdict(Validate(policy, "root")),
            "INVALID: spec.rules: more than 512 rules; split the policy");
  policy = PolicyOf("{rules: [{}]}");
  for (int i = 0; i < 513; ++i) {
    if (i == 512) {
      EXPECT_EQ(Verdict(Validate(policy, "root")), "OK");
    }
    policy.mutable_spec()->mutable_rules(0)->add_from()->mutable_source()->add_principals("a");
  }
  EXPECT_EQ(Verdict(Validate(policy, "root")),
            "INVALID: spec.rules[0]: more than 512 from; split the rule");
  policy = PolicyOf("{}");
  for (int i = 0; i < 17; ++i) {
    if (i == 16) {
      EXPECT_EQ(Verdict(Validate(policy, "root")), "OK");
    }
    auto& target = *policy.mutable_spec()->add_target_refs();
    target.set_kind("Service");
    target.set_name("g");
  }
  EXPECT_EQ(Verdict(Validate(policy, "root")),
            "INVALID: spec.targetRefs: more than 16; split the policy");
}

TEST(ValidateTest, RefusesWildcardsInLabels) {
  EXPECT_EQ(Verdict("{selector: {matchLabels: {app: \"a*\"}}}"),
            "INVALID: spec.selector: matchLabels[\"app\"]: wildcards are not supported in labels; "
            "name each value");
}

TEST(WarningsTest, PointAtWhatIsProbablyNotMeant) {
  EXPECT_THAT(Warnings(PolicyOf("{rules: [{to: [{operation: {methods: [GET]}}]}]}")),
              testing::IsEmpty());
  EXPECT_THAT(Warnings(PolicyOf("{selector: {}}")),
              testing::ElementsAre("demo/p: spec.selector: without labels selects every workload"));
  const auto deny = [](absl::string_view operation) {
    return Warnings(
        PolicyOf(absl::StrCat("{action: DENY, rules: [{to: [{operation: {", operation, "}}]}]}")));
  };
  EXPECT_THAT(deny("ports: [\"80\"]"), testing::IsEmpty());
  EXPECT_THAT(deny("ports: [\"80\"], paths: [/a]"), testing::IsEmpty());
  ASSERT_EQ(deny("notPaths: [/a]").size(), 1u);
  EXPECT_THAT(deny("methods: [GET]")[0], testing::HasSubstr("spec.rules[0].to[0].operation"));
}

}  // namespace
}  // namespace kith::policy
