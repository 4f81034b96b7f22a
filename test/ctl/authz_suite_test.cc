#include "source/ctl/authz_suite.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace kith::ctl {
namespace {

constexpr char kAllow[] =
    "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a, namespace: "
    "demo}, spec: {selector: {matchLabels: {app: web}}, rules: [{from: [{source: {principals: "
    "[cluster.local/ns/demo/sa/client]}}], to: [{operation: {methods: [GET], paths: [/a]}}]}]}}";
constexpr char kStrict[] =
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: "
    "demo}, spec: {mtls: {mode: STRICT}}}";

SuiteResult RunOne(absl::string_view text) {
  auto results = RunSuites(text, "s.yaml", {});
  EXPECT_TRUE(results.ok()) << results.status();
  return results.ok() ? results->front() : SuiteResult();
}

// What a request gets from the policies, as "allow" or "deny".
std::string Decide(absl::string_view policies, absl::string_view request) {
  const SuiteResult result = RunOne(
      absl::StrCat("name: s\nworkload: {namespace: demo, labels: {app: web}}\npolicies: [",
                   policies, "]\ncases: [{name: c, request: {", request, "}, expect: allow}]\n"));
  return result.cases.empty() ? "" : result.cases[0].got;
}

constexpr char kClient[] = "source: {principal: cluster.local/ns/demo/sa/client}";

TEST(AuthzSuiteTest, DecidesAsTheSidecarDoes) {
  EXPECT_EQ(Decide(kAllow, absl::StrCat(kClient, ", http: {method: GET, path: /a}")), "allow");
  EXPECT_EQ(Decide(kAllow, absl::StrCat(kClient, ", http: {method: GET, path: \"//a#x\"}")),
            "allow");
  EXPECT_EQ(Decide(kAllow, absl::StrCat(kClient, ", http: {method: PUT, path: /a}")), "deny");
  EXPECT_EQ(Decide(kAllow, "http: {method: GET, path: /a}"), "deny");
  EXPECT_EQ(Decide(kAllow, kClient), "deny");
  EXPECT_EQ(Decide(kAllow, absl::StrCat(kClient, ", http: {method: GET, path: /%252e/a}")), "deny");
  EXPECT_EQ(Decide("", "http: {method: GET, path: a}"), "deny");
}

TEST(AuthzSuiteTest, RefusesPlaintextOnStrict) {
  EXPECT_EQ(Decide(kStrict, "http: {path: /}"), "deny");
  EXPECT_EQ(Decide(kStrict, kClient), "allow");
}

TEST(AuthzSuiteTest, SelectsByLabels) {
  const SuiteResult result =
      RunOne(absl::StrCat("workload: {namespace: demo}\npolicies: [", kAllow,
                          "]\ncases: [{name: c, expect: allow, request: {}}]\n"));
  ASSERT_EQ(result.cases.size(), 1u);
  EXPECT_TRUE(result.cases[0].passed) << result.cases[0].explanation;
}

TEST(AuthzSuiteTest, ExpectsPoliciesToBeRefused) {
  const char kBad[] =
      "policies: [{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: "
      "a}, "
      "spec: {rules: [{form: []}]}}]\n";
  EXPECT_TRUE(RunOne(absl::StrCat("expectInvalid: true\n", kBad)).cases[0].passed);
  const SuiteResult refused = RunOne(absl::StrCat(kBad, "cases: [{name: c, expect: deny}]\n"));
  EXPECT_TRUE(refused.unreadable);
  EXPECT_FALSE(refused.cases[0].passed);
  EXPECT_FALSE(RunOne("expectInvalid: true\n").cases[0].passed);
}

TEST(AuthzSuiteTest, RefusesFieldsItDoesNotKnow) {
  EXPECT_EQ(RunSuites("name: x\ncase: []\n", "s.yaml", {}).status().message(),
            "s.yaml:2: suite.case: unknown field");
  EXPECT_FALSE(RunSuites("cases: [{request: {path: /}, expect: allow}]\n", "s.yaml", {}).ok());
  EXPECT_FALSE(RunSuites("cases: [{request: {}, expect: maybe}]\n", "s.yaml", {}).ok());
}

}  // namespace
}  // namespace kith::ctl
