#include "source/config/document.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "kith/config/v1/sidecar.pb.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "kith/security/v1/peer_authentication.pb.h"

namespace kith::config {
namespace {

using kith::config::v1::SidecarConfig;
using security::v1::AuthorizationPolicy;

constexpr absl::string_view kPolicy = R"(
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: allow-frontend
  namespace: demo
  creationTimestamp: null
spec:
  selector:
    matchLabels:
      app: backend
  action: ALLOW
  rules:
  - from:
    - source:
        principals: ["cluster.local/ns/demo/sa/frontend"]
    to:
    - operation:
        methods: ["GET"]
        ports: ["8080"]
)";

// The error of reading `text` as one policy.
std::string PolicyError(absl::string_view text) {
  const auto documents = ParseDocuments(text, "policies.yaml");
  if (!documents.ok()) return std::string(documents.status().message());
  if (documents->size() != 1) return "not one document";
  AuthorizationPolicy policy;
  return std::string(Decode((*documents)[0], policy).message());
}

TEST(DocumentTest, ReadsAPolicyAsItIsWritten) {
  const auto documents = ParseDocuments(kPolicy, "policies.yaml");
  ASSERT_TRUE(documents.ok()) << documents.status();
  ASSERT_EQ(documents->size(), 1u);
  const Document& document = documents->front();
  EXPECT_EQ(document.api_version, "security.istio.io/v1");
  EXPECT_EQ(document.kind, "AuthorizationPolicy");
  EXPECT_EQ(document.line, 2);
  AuthorizationPolicy policy;
  policy.mutable_metadata()->set_uid("left over");
  ASSERT_TRUE(Decode(document, policy).ok()) << Decode(document, policy);
  EXPECT_EQ(policy.metadata().name(), "allow-frontend");
  EXPECT_EQ(policy.metadata().uid(), "");
  EXPECT_EQ(policy.spec().selector().match_labels().at("app"), "backend");
  ASSERT_EQ(policy.spec().rules_size(), 1);
  EXPECT_EQ(policy.spec().rules(0).from(0).source().principals(0),
            "cluster.local/ns/demo/sa/frontend");
  EXPECT_EQ(policy.spec().rules(0).to(0).operation().ports(0), "8080");
}

TEST(DocumentTest, PointsAtAMisspeltField) {
  EXPECT_EQ(PolicyError("apiVersion: v1\nkind: X\nspec:\n  rules:\n  - from:\n    - source:\n"
                        "        principls: [a]\n"),
            "policies.yaml:7: spec.rules[0].from[0].source.principls: unknown field; did you mean "
            "\"principals\"?");
  EXPECT_EQ(PolicyError("apiVersion: v1\nkind: X\nspec: {rules: [{}, {form: []}]}\n"),
            "policies.yaml:3: spec.rules[1].form: unknown field; did you mean \"from\"?");
}

TEST(DocumentTest, TakesNoSecondSpellingOfAField) {
  EXPECT_EQ(PolicyError("apiVersion: v1\nkind: X\nspec: {rules: [{from: [{source: "
                        "{not_remote_ip_blocks: [a]}}]}]}\n"),
            "policies.yaml:3: spec.rules[0].from[0].source.not_remote_ip_blocks: unknown field; "
            "did you mean \"notRemoteIpBlocks\"?");
}

TEST(DocumentTest, ListsTheFieldsWhenNothingIsNear) {
  EXPECT_EQ(PolicyError("apiVersion: v1\nkind: X\nspec: {rules: [{conditions: []}]}\n"),
            "policies.yaml:3: spec.rules[0].conditions: unknown field; known here: from, to, when");
}

TEST(DocumentTest, ListsTheValuesOfAnEnum) {
  EXPECT_EQ(PolicyError("apiVersion: v1\nkind: X\nspec:\n  action: Deny\n"),
            "policies.yaml:4: spec.action: unknown value \"Deny\"; allowed: ALLOW, DENY, AUDIT, "
            "CUSTOM; did you mean \"DENY\"?");
}

TEST(DocumentTest, WantsQuotesAroundPorts) {
  EXPECT_EQ(PolicyError("apiVersion: v1\nkind: X\nspec: {rules: [{to: [{operation: {ports: "
                        "[8080]}}]}]}\n"),
            "policies.yaml:3: spec.rules[0].to[0].operation.ports[0]: needs a string, found a "
            "number; put it in quotes: \"8080\"");
}

TEST(DocumentTest, RefusesEmptyPartsThatWouldWidenAPolicy) {
  const auto error = [](absl::string_view rule) {
    return PolicyError(absl::StrCat("apiVersion: v1\nkind: X\nspec: {rules: [", rule, "]}\n"));
  };
  EXPECT_EQ(error("{}"), "");
  EXPECT_EQ(error("{from: []}"),
            "policies.yaml:3: spec.rules[0].from: must not be empty; fill it or remove it");
  EXPECT_NE(error("{to: []}"), "");
  EXPECT_NE(error("{from: [{source: {}}]}"), "");
  EXPECT_NE(error("{to: [{operation: {}}]}"), "");
  EXPECT_NE(error("{from: [{source: {principals: []}}]}"), "");
  EXPECT_EQ(
      error("{from: [{source: }]}"),
      "policies.yaml:3: spec.rules[0].from[0].source: is empty; give it a value or remove it");
  EXPECT_EQ(PolicyError("apiVersion: v1\nkind: X\nspec:\n"),
            "policies.yaml:3: spec: is empty; give it a value or remove it");
}

TEST(DocumentTest, ReadsSeveralDocumentsAndLists) {
  const auto documents = ParseDocuments(
      "apiVersion: v1\nkind: A\n---\n# nothing\n---\napiVersion: v1\nkind: List\nmetadata: {}\n"
      "items:\n- apiVersion: v1\n  kind: B\n- {apiVersion: v2, kind: C}\n",
      "all.yaml");
  ASSERT_TRUE(documents.ok()) << documents.status();
  ASSERT_EQ(documents->size(), 3u);
  EXPECT_EQ((*documents)[0].kind, "A");
  EXPECT_EQ((*documents)[1].kind, "B");
  EXPECT_EQ((*documents)[1].line, 10);
  EXPECT_EQ((*documents)[2].api_version, "v2");
}

TEST(DocumentTest, ReadsNoDocumentFromAnEmptyFile) {
  const auto documents = ParseDocuments("# later\n", "all.yaml");
  ASSERT_TRUE(documents.ok());
  EXPECT_TRUE(documents->empty());
}

TEST(DocumentTest, WantsApiVersionAndKind) {
  const auto error = [](absl::string_view text) {
    return std::string(ParseDocuments(text, "a.yaml").status().message());
  };
  EXPECT_EQ(error("kind: A\n"),
            "a.yaml:1: apiVersion: missing; every document needs apiVersion and kind");
  EXPECT_EQ(error("apiVersion: v1\n"),
            "a.yaml:1: kind: missing; every document needs apiVersion and kind");
  EXPECT_NE(error("apiVersion: v1\nkind: []\n"), "");
  EXPECT_NE(error("- a\n"), "");
  EXPECT_NE(error("just text\n"), "");
  EXPECT_NE(error("apiVersion: v1\nkind: List\n"), "");
  EXPECT_NE(error("apiVersion: v1\nkind: List\nitems: [1]\n"), "");
  EXPECT_NE(error("apiVersion: v1\nkind: List\nitems: []\nspec: {}\n"), "");
}

TEST(DocumentTest, BoundsTheItemsOfLists) {
  std::string text = "apiVersion: v1\nkind: List\nitems:\n- &x {apiVersion: v1, kind: A}\n";
  for (int i = 0; i < 1'000; ++i) text += "- *x\n";
  EXPECT_EQ(ParseDocuments(text, "a.yaml").status().message(),
            "a.yaml:4: more than 1000 documents");
}

TEST(DocumentTest, OutlivesTheTextItCameFrom) {
  std::string text(kPolicy);
  auto documents = ParseDocuments(text, std::string("p.yaml"));
  ASSERT_TRUE(documents.ok());
  const Document copy = documents->front();
  text.assign(text.size(), 'x');
  documents = std::vector<Document>();
  AuthorizationPolicy policy;
  EXPECT_TRUE(Decode(copy, policy).ok());
}

TEST(DocumentTest, ReadsAProgramsConfiguration) {
  const auto config = ParseSingle<SidecarConfig>(
      "workload:\n  name: a\n  labels: {app: a}\ntimeouts: {connect: 1500ms}\n"
      "inbound:\n- {bind: \"[::]:15006\", protocol: HTTP, port: 8080}\n",
      "sidecar.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->workload().labels().at("app"), "a");
  EXPECT_EQ(config->timeouts().connect().seconds(), 1);
  EXPECT_EQ(config->timeouts().connect().nanos(), 500'000'000);
  EXPECT_EQ(config->inbound(0).port(), 8080u);
}

TEST(DocumentTest, WantsExactlyOneConfigurationInAFile) {
  EXPECT_EQ(ParseSingle<SidecarConfig>("", "s.yaml").status().message(),
            "s.yaml: is empty; is this the right file?");
  EXPECT_EQ(
      ParseSingle<SidecarConfig>("workers: 1\n---\nworkers: 2\n", "s.yaml").status().message(),
      "s.yaml:3: a second document; this file holds one");
  EXPECT_EQ(ParseSingle<SidecarConfig>("[]", "s.yaml").status().message(),
            "s.yaml:1: needs a map of fields, found a list");
  EXPECT_EQ(ParseSingle<SidecarConfig>("kind: X", "s.yaml").status().message().substr(0, 29),
            "s.yaml:1: kind: unknown field");
}

TEST(ReadFileTest, SaysWhyAFileCannotBeRead) {
  const std::string path = absl::StrCat(testing::TempDir(), "/read_file_", getpid());
  EXPECT_EQ(ReadFile(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(path).status().message().substr(0, 12 + path.size()), "cannot open " + path);
  EXPECT_FALSE(ReadFile(testing::TempDir()).ok());
  FILE* file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("12345", file);
  std::fclose(file);
  EXPECT_EQ(*ReadFile(path), "12345");
  Limits limits;
  limits.bytes = 5;
  EXPECT_EQ(*ReadFile(path, limits), "12345");
  limits.bytes = 4;
  EXPECT_EQ(ReadFile(path, limits).status().message(), path + ": longer than 4 bytes; split it");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace kith::config
