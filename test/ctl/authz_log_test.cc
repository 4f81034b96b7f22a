#include "source/ctl/authz_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/config/document.h"
#include "source/ctl/authz_context.h"
#include "source/ctl/authz_explain.h"
#include "source/ctl/strict_readiness.h"
#include "test/ctl/log_lines.h"

namespace kith::ctl {
namespace {

using policy::Truth;

CaseContext ContextOf(absl::string_view yaml) {
  AuthzContext context(AuthzContext::Others::kRefused);
  const auto documents = config::ParseDocuments(yaml, "p.yaml");
  EXPECT_TRUE(documents.ok()) << documents.status();
  for (const config::Document& document : *documents) {
    const absl::Status added = context.Add(document);
    EXPECT_TRUE(added.ok()) << added;
  }
  WorkloadSpec workload;
  workload.name_space = "demo";
  auto made = context.For(workload);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

// The policy demo/p with these rules.
CaseContext RulesContext(absl::string_view rules) {
  return ContextOf(absl::StrCat(
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, "
      "namespace: demo}, spec: {rules: ",
      rules, "}}\n"));
}

Truth Judge(absl::string_view rules, const telemetry::AccessEntry& entry) {
  const auto record = ParseLogLine(LineOf(entry));
  EXPECT_TRUE(record.ok()) << record.status();
  return JudgeLogged(RulesContext(rules), *record).allowed;
}

TEST(AuthzLogTest, ReadsWhatASidecarWrites) {
  telemetry::AccessEntry entry = ItemsEntry();
  entry.request_principal = "https://idp/alice";
  entry.policy = "demo/readers";
  entry.rule = 2;
  entry.audit_policy = "demo/watch";
  entry.dry_run_decision = "denied";
  const std::vector<std::string> names = {"x-team", "x-none"};
  const telemetry::AccessHeader headers[] = {{"X-Team", "a"}, {"x-team", "b"}, {"cookie", "c"}};
  entry.header_names = names;
  entry.headers = headers;
  const auto record = ParseLogLine(LineOf(entry));
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_TRUE(record->http && record->inbound && record->mutual_tls);
  EXPECT_EQ(record->workload, "demo/backend");
  EXPECT_EQ(record->port, 8080);
  EXPECT_EQ(record->bind, "10.0.0.9:16080");
  EXPECT_EQ(record->Source(), "cluster.local/ns/demo/sa/frontend");
  EXPECT_EQ(record->policy, "demo/readers");
  EXPECT_EQ(record->rule, 2);
  EXPECT_EQ(record->audit_policy, "demo/watch");
  EXPECT_EQ(record->dry_run_decision, "denied");
  EXPECT_THAT(record->headers.at("x-team"), testing::ElementsAre("a", "b"));
  EXPECT_THAT(record->headers.at("x-none"), testing::IsEmpty());
  EXPECT_EQ(record->headers.size(), 2u);
}

TEST(AuthzLogTest, SaysWhatIsWrongWithALine) {
  for (absl::string_view line :
       {"", "{", "[]", "null", "{}", R"({"kind":"http"})", R"({"kind":"x","direction":"inbound"})",
        R"({"kind":"http","direction":"inbound","path":7})",
        R"({"kind":"http","direction":"inbound","decision":"maybe"})",
        R"({"kind":"http","direction":"inbound","destination":{"port":99999}})",
        R"({"kind":"http","direction":"inbound","rule":-1})",
        R"({"kind":"http","direction":"inbound","headers":{"a":"b"}})"}) {
    EXPECT_FALSE(ParseLogLine(line).ok()) << line;
  }
  EXPECT_EQ(ParseLogLine(R"({"kind":"http","direction":"inbound","path":7})").status().message(),
            "path: is no text");
}

TEST(AuthzLogTest, JudgesByWhatTheLineTells) {
  const telemetry::AccessEntry entry = ItemsEntry();
  EXPECT_EQ(Judge("[{from: [{source: {principals: [cluster.local/ns/demo/sa/frontend]}}], to: "
                  "[{operation: {methods: [GET], paths: [/items], ports: [\"8080\"]}}]}]",
                  entry),
            Truth::kYes);
  EXPECT_EQ(Judge("[{to: [{operation: {ports: [\"16080\"]}}]}]", entry), Truth::kNo);
  EXPECT_EQ(Judge("[{when: [{key: destination.ip, values: [10.0.0.9]}]}]", entry), Truth::kYes);
  EXPECT_EQ(Judge("[{when: [{key: source.ip, values: [10.0.0.0/8]}]}]", entry), Truth::kYes);
  EXPECT_EQ(Judge("[{when: [{key: connection.sni, values: [backend.demo]}]}]", entry), Truth::kYes);
  EXPECT_EQ(Judge("[{from: [{source: {requestPrincipals: [\"*\"]}}]}]", entry), Truth::kNo);
}

TEST(AuthzLogTest, AdmitsWhatTheLineDoesNotTell) {
  constexpr char kTeam[] = "[{when: [{key: \"request.headers[x-team]\", values: [a]}]}]";
  telemetry::AccessEntry entry = ItemsEntry();
  EXPECT_EQ(Judge(kTeam, entry), Truth::kUnknown);
  const std::vector<std::string> names = {"x-team"};
  entry.header_names = names;
  EXPECT_EQ(Judge(kTeam, entry), Truth::kNo);
  const telemetry::AccessHeader headers[] = {{"x-team", "a"}};
  entry.headers = headers;
  EXPECT_EQ(Judge(kTeam, entry), Truth::kYes);

  entry = ItemsEntry();
  constexpr char kClaim[] = "[{when: [{key: \"request.auth.claims[role]\", values: [a]}]}]";
  EXPECT_EQ(Judge(kClaim, entry), Truth::kNo);
  entry.request_principal = "https://idp/alice";
  EXPECT_EQ(Judge(kClaim, entry), Truth::kUnknown);
  EXPECT_EQ(Judge("[{when: [{key: source.certificate.subject.ou, values: [a]}]}]", entry),
            Truth::kUnknown);
  const std::string longest = "/" + std::string(3000, 'a');
  entry.path = longest;
  EXPECT_EQ(Judge("[{to: [{operation: {paths: [\"/a*\"]}}]}]", entry), Truth::kUnknown);
  EXPECT_EQ(Judge("[{to: [{operation: {ports: [\"8080\"]}}]}]", entry), Truth::kYes);
}

TEST(AuthzLogTest, IsUnsureWhereIssuerAndSubjectMeet) {
  telemetry::AccessEntry entry = ItemsEntry();
  entry.request_principal = "https://idp/realm/alice";
  EXPECT_EQ(Judge("[{from: [{source: {requestPrincipals: [\"*\"]}}]}]", entry), Truth::kYes);
  EXPECT_EQ(
      Judge("[{from: [{source: {requestPrincipals: [\"https://idp/realm/alice\"]}}]}]", entry),
      Truth::kUnknown);
  EXPECT_EQ(Judge("[{from: [{source: {requestPrincipals: [\"https://other/bob\"]}}]}]", entry),
            Truth::kNo);
}

TEST(AuthzLogTest, RefusesPlaintextOnAPortThatBecomesStrict) {
  telemetry::AccessEntry entry = ItemsEntry();
  entry.source.principal = "";
  entry.tls_version = "";
  const auto record = ParseLogLine(LineOf(entry));
  ASSERT_TRUE(record.ok());
  const CaseContext context = ContextOf(
      "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: "
      "demo}, spec: {mtls: {mode: STRICT}}}\n");
  const LoggedVerdict verdict = JudgeLogged(context, *record);
  EXPECT_EQ(verdict.allowed, Truth::kNo);
  EXPECT_THAT(verdict.refusal, testing::HasSubstr("STRICT"));
}

TEST(AuthzExplainTest, NamesTheNearestRuleAndWhatItLacked) {
  const CaseContext context = RulesContext(
      "[{from: [{source: {principals: [cluster.local/ns/demo/sa/other]}}], to: [{operation: "
      "{methods: [GET]}}]}]");
  AuthzRequest request;
  request.principal = "cluster.local/ns/demo/sa/frontend";
  request.http = true;
  request.path = "/items";
  const Verdict verdict = DecideRequest(context, request);
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(ExplainText(verdict, nullptr),
            "DENIED\n"
            "because:   no rule matched of the ALLOW policies demo/p\n"
            "nearest:   demo/p rules[0]\n"
            "FIELD                      EXPECTED                        GOT\n"
            "from[0].source.principals  cluster.local/ns/demo/sa/other  "
            "\"cluster.local/ns/demo/sa/frontend\"\n");
  EXPECT_THAT(ExplainJson(verdict, nullptr), testing::HasSubstr("\"nearest\""));
}

TEST(AuthzExplainTest, SaysWhichClauseAllowsAndWhatADryRunWouldDo) {
  const CaseContext context = ContextOf(
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, "
      "namespace: "
      "demo}, spec: {rules: [{to: [{operation: {methods: [PUT]}}, {operation: {methods: "
      "[GET]}}]}]}}\n---\n"
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: trial, "
      "namespace: demo, annotations: {istio.io/dry-run: \"true\"}}, spec: {action: DENY, rules: "
      "[{}]}}\n---\n"
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: watch, "
      "namespace: demo}, spec: {action: AUDIT, rules: [{}]}}\n");
  AuthzRequest request;
  request.http = true;
  request.path = "/";
  EXPECT_EQ(ExplainText(DecideRequest(context, request), nullptr),
            "ALLOWED\n"
            "by:        demo/p rules[0].to[1]\n"
            "audit:     marked by demo/watch\n"
            "dry run:   would be denied by demo/trial rules[0]\n");
}

TEST(StrictReadinessTest, NamesWhoCameInPlaintextAndIsNotRefusedYet) {
  StrictReadiness readiness;
  telemetry::AccessEntry entry = ItemsEntry();
  const auto add = [&] {
    const auto record = ParseLogLine(LineOf(entry));
    ASSERT_TRUE(record.ok()) << record.status();
    readiness.Add(*record);
  };
  add();
  EXPECT_TRUE(readiness.Clients().empty());
  entry.source.principal = "";
  entry.tls_version = "";
  add();
  entry.time += absl::Seconds(5);
  entry.source.address = "10.0.0.7:40001";
  add();
  entry.source.address = "10.0.0.8:40001";
  entry.reason = telemetry::Reason::kPlaintextOnStrict;
  add();
  const auto clients = readiness.Clients();
  ASSERT_EQ(clients.size(), 1u);
  EXPECT_EQ(clients[0].ip, "10.0.0.7");
  EXPECT_EQ(clients[0].workload, "demo/backend");
  EXPECT_EQ(clients[0].port, 8080);
  EXPECT_EQ(clients[0].count, 2u);
  EXPECT_EQ(clients[0].last, "2026-01-02T03:04:10.000000Z");
}

}  // namespace
}  // namespace kith::ctl
