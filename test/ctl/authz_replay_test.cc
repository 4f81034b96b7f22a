#include "source/ctl/authz_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/config/document.h"
#include "source/ctl/authz_lint.h"
#include "source/ctl/authz_suggest.h"
#include "source/ctl/path_folding.h"
#include "source/policy/pattern.h"
#include "test/ctl/log_lines.h"

namespace kith::ctl {
namespace {

std::vector<config::Document> DocumentsIn(absl::string_view yaml) {
  auto documents = config::ParseDocuments(yaml, "p.yaml");
  EXPECT_TRUE(documents.ok()) << documents.status() << "\n" << yaml;
  return documents.ok() ? *std::move(documents) : std::vector<config::Document>();
}

void AddAll(absl::string_view yaml, AuthzContext& context) {
  for (const config::Document& document : DocumentsIn(yaml)) {
    const absl::Status added = context.Add(document);
    EXPECT_TRUE(added.ok()) << added << "\n" << yaml;
  }
}

std::string Policy(absl::string_view spec) {
  return absl::StrCat(
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, "
      "namespace: demo}, spec: ",
      spec, "}\n");
}

LogRecord RecordOf(const telemetry::AccessEntry& entry) {
  auto record = ParseLogLine(LineOf(entry));
  EXPECT_TRUE(record.ok()) << record.status();
  return record.ok() ? *std::move(record) : LogRecord();
}

WorkloadLabels Labels() {
  auto labels = WorkloadLabels::Parse({"app=backend"});
  EXPECT_TRUE(labels.ok());
  return *std::move(labels);
}

TEST(AuthzReplayTest, GroupsWhatChangesAndWhatCannotBeSaid) {
  AuthzContext next(AuthzContext::Others::kRefused);
  AddAll(
      Policy("{rules: [{to: [{operation: {methods: [GET], paths: [/items]}}]}, {to: [{operation: "
             "{methods: [PUT]}}], when: [{key: \"request.headers[x-team]\", values: [a]}]}]}"),
      next);
  const WorkloadLabels labels = Labels();
  Replay replay(next, nullptr, labels);
  telemetry::AccessEntry entry = ItemsEntry();
  ASSERT_TRUE(replay.Add(RecordOf(entry)).ok());
  entry.path = "/orders";
  ASSERT_TRUE(replay.Add(RecordOf(entry)).ok());
  ASSERT_TRUE(replay.Add(RecordOf(entry)).ok());
  entry.method = "PUT";
  ASSERT_TRUE(replay.Add(RecordOf(entry)).ok());
  entry.decision = "denied";
  entry.method = "GET";
  entry.path = "/items";
  ASSERT_TRUE(replay.Add(RecordOf(entry)).ok());
  entry.direction = "outbound";
  ASSERT_TRUE(replay.Add(RecordOf(entry)).ok());

  EXPECT_EQ(replay.judged(), 5u);
  EXPECT_EQ(replay.changed(), 3u);
  EXPECT_EQ(replay.unknown(), 1u);
  EXPECT_EQ(replay.passed_over(), 1u);
  const auto groups = replay.Groups();
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].count, 2u);
  EXPECT_EQ(groups[0].before, "allowed");
  EXPECT_EQ(groups[0].after, "denied");
  EXPECT_EQ(groups[0].why, "nearest is demo/p rules[0]: to[0].operation.paths");
  EXPECT_THAT(groups[0].example, testing::StartsWith("GET /orders on port 8080"));
  EXPECT_EQ(groups[1].after, "allowed");
  EXPECT_EQ(groups[1].why, "demo/p rules[0]");
  EXPECT_EQ(groups[2].after, "unknown");
  EXPECT_EQ(groups[2].why, "header x-team (demo/p rules[1])");
}

TEST(AuthzReplayTest, ComparesWithOtherPoliciesInsteadOfTheLog) {
  AuthzContext next(AuthzContext::Others::kRefused), old(AuthzContext::Others::kRefused);
  AddAll(Policy("{}"), next);
  AddAll(Policy("{}"), old);
  const WorkloadLabels labels = Labels();
  Replay replay(next, &old, labels);
  ASSERT_TRUE(replay.Add(RecordOf(ItemsEntry())).ok());
  EXPECT_EQ(replay.changed(), 0u) << "denied by both, whatever the log says";
}

TEST(AuthzReplayTest, AsksForLabelsWhereTheyDecide) {
  AuthzContext next(AuthzContext::Others::kRefused);
  AddAll(Policy("{selector: {matchLabels: {app: backend}}}"), next);
  const WorkloadLabels none = *WorkloadLabels::Parse({});
  EXPECT_THAT(std::string(Replay(next, nullptr, none).Add(RecordOf(ItemsEntry())).message()),
              testing::HasSubstr("--label demo/backend:KEY=VALUE"));
  const WorkloadLabels labels = *WorkloadLabels::Parse({"demo/backend:app=backend"});
  Replay replay(next, nullptr, labels);
  ASSERT_TRUE(replay.Add(RecordOf(ItemsEntry())).ok());
  EXPECT_EQ(replay.changed(), 1u);
}

TEST(PathFoldingTest, FoldsIdsAndCrowdedPlaces) {
  PathFolding folding(4);
  std::vector<std::string> paths = {
      "/users/17/photos", "/users/list", "/a/b", "/a/", "/a/{x}", "/x/*", "*", "/", "/a/é"};
  for (const char* name : {"ann", "bob", "cy", "dee", "eve"}) {
    paths.push_back(absl::StrCat("/by/", name, "/all"));
  }
  for (const std::string& path : paths) folding.Add(path);
  folding.Fold();
  EXPECT_EQ(folding.Pattern("/users/17/photos"), "/users/{*}/photos");
  EXPECT_EQ(folding.Pattern("/users/list"), "/users/list");
  EXPECT_EQ(folding.Pattern("/by/ann/all"), "/by/{*}/all");
  EXPECT_EQ(folding.Pattern("/a/b"), "/a/b");
  EXPECT_EQ(folding.Pattern("/a/"), "/a/");
  EXPECT_EQ(folding.Pattern("/a/{x}"), "/a/*");
  EXPECT_EQ(folding.Pattern("/x/*"), "/x/*");
  EXPECT_EQ(folding.Pattern("*"), "*");
  EXPECT_EQ(folding.Pattern("/"), "/");
  EXPECT_EQ(folding.Pattern("/a/é"), "/a/*");
  EXPECT_TRUE(PathFolding::IsId("3f2504e0-4f89-11d3-9a0c-0305e82c3301"));
  EXPECT_TRUE(PathFolding::IsId("0123456789abcdef"));
  EXPECT_FALSE(PathFolding::IsId("items"));
  EXPECT_FALSE(PathFolding::IsId("v1"));
}

TEST(AuthzSuggestTest, SaysHowManyRequestsStandBehindEachRule) {
  Suggestion suggestion(10);
  telemetry::AccessEntry entry = ItemsEntry();
  for (const char* path : {"/items", "/items/1", "/items/2"}) {
    entry.path = path;
    suggestion.Add(RecordOf(entry));
  }
  entry.kind = "tcp";
  entry.port = 9000;
  suggestion.Add(RecordOf(entry));
  entry.decision = "denied";
  suggestion.Add(RecordOf(entry));
  EXPECT_EQ(suggestion.Yaml(Labels()).value(),
            "# Suggested by kithctl authz suggest. Ids in paths, and places with more than 10 "
            "values, are {*}.\n"
            "---\n"
            "# What demo/backend was asked and allowed: 4 requests of 1 caller, "
            "2026-01-02T03:04:05.000000Z to 2026-01-02T03:04:05.000000Z.\n"
            "# 1 denied request left out.\n"
            "apiVersion: security.istio.io/v1\n"
            "kind: AuthorizationPolicy\n"
            "metadata:\n"
            "  name: \"backend-observed\"\n"
            "  namespace: \"demo\"\n"
            "spec:\n"
            "  action: ALLOW\n"
            "  selector:\n"
            "    matchLabels:\n"
            "      \"app\": \"backend\"\n"
            "  rules:\n"
            "  # 3 requests\n"
            "  - from:\n"
            "    - source: {principals: [\"cluster.local/ns/demo/sa/frontend\"]}\n"
            "    to:\n"
            "    - operation: {methods: [\"GET\"], paths: [\"/items\", \"/items/{*}\"], ports: "
            "[\"8080\"]}\n"
            "  # 1 connection\n"
            "  - from:\n"
            "    - source: {principals: [\"cluster.local/ns/demo/sa/frontend\"]}\n"
            "    to:\n"
            "    - operation: {ports: [\"9000\"]}\n");
  EXPECT_FALSE(suggestion.Yaml(*WorkloadLabels::Parse({})).ok());
}

// Whatever a log tells of, the suggestion reads, has no errors and denies none of it.
TEST(AuthzSuggestTest, AllowsEveryRequestOfItsLog) {
  std::mt19937 random(5);
  const auto pick = [&](std::initializer_list<const char*> from) {
    return *(from.begin() + static_cast<ptrdiff_t>(random() % from.size()));
  };
  for (int round = 0; round < 60; ++round) {
    Suggestion suggestion(1 + random() % 5);
    std::vector<LogRecord> records;
    const bool spelled = random() % 4 == 0;
    for (int i = 0; i < 60; ++i) {
      telemetry::AccessEntry entry = ItemsEntry();
      const std::string principal =
          absl::StrCat("spiffe://cluster.local/ns/demo/sa/", pick({"a", "b", "c"}));
      const std::string address = absl::StrCat("10.0.0.", random() % 3, ":1");
      entry.source.principal = principal;
      entry.source.address = address;
      if (random() % 5 == 0) {
        entry.source.principal = "";
        entry.tls_version = "";
      }
      if (random() % 6 == 0) entry.kind = "tcp";
      entry.method = pick({"GET", "PUT", "M-SEARCH"});
      entry.port = static_cast<uint16_t>(8080 + random() % 2);
      std::string path;
      for (size_t n = random() % 4; n > 0; --n) {
        absl::StrAppend(&path, "/",
                        pick({"a", "b", "17", "18", "{x}", "*", "a*", "*a", "x\"y", "%41", "é",
                              "c:d", "q;r", "", "0123456789abcdef0", "\x01", "a{*}"}));
      }
      if (path.empty()) path = "/";
      if (random() % 40 == 0) path = absl::StrCat("/", std::string(3000, 'l'));
      if (spelled && random() % 10 == 0) path = "/%252e/x";
      entry.path = path;
      records.push_back(RecordOf(entry));
      suggestion.Add(records.back());
    }
    const auto yaml = suggestion.Yaml(Labels());
    ASSERT_TRUE(yaml.ok()) << yaml.status();
    for (const PlacedFinding& placed : LintDocuments(DocumentsIn(*yaml), {})) {
      EXPECT_EQ(placed.finding.severity, policy::Finding::Severity::kWarning)
          << placed.finding.what << "\n"
          << *yaml;
    }
    AuthzContext context(AuthzContext::Others::kRefused);
    AddAll(*yaml, context);
    const WorkloadLabels labels = Labels();
    Replay replay(context, nullptr, labels);
    for (const LogRecord& record : records) ASSERT_TRUE(replay.Add(record).ok());
    EXPECT_EQ(replay.changed(), 0u) << *yaml << replay.Groups()[0].example;
    EXPECT_EQ(replay.judged(), records.size());
  }
}

TEST(AuthzLintCommandTest, FindsTheLineOfAField) {
  const std::string yaml =
      "apiVersion: security.istio.io/v1\n"
      "kind: AuthorizationPolicy\n"
      "metadata: {name: p, namespace: demo}\n"
      "spec:\n"
      "  rules:\n"
      "  - to:\n"
      "    - operation:\n"
      "        methods:\n"
      "        - GET\n"
      "        - get\n"
      "---\n"
      "apiVersion: v1\n"
      "kind: Service\n"
      "metadata: {name: s, namespace: demo}\n"
      "spec: {selector: {app: x}, ports: [{port: eighty}]}\n";
  const auto documents = DocumentsIn(yaml);
  const auto findings = LintDocuments(documents, {});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].finding.code, "invalid");
  EXPECT_EQ(findings[0].line, 15);
  EXPECT_EQ(findings[1].finding.code, "method-case");
  EXPECT_EQ(findings[1].line, 10);
  EXPECT_EQ(findings[1].file, "p.yaml");
  EXPECT_EQ(LineOf(documents[0], "spec.rules[0].from[0].source"), 6);
  EXPECT_EQ(LineOf(documents[0], "spec.rules[7]"), 5);
  EXPECT_EQ(LineOf(documents[0], ""), 1);
}

}  // namespace
}  // namespace kith::ctl
