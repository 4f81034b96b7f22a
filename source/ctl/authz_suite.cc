#include "source/ctl/authz_suite.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "kith/security/v1/peer_authentication.pb.h"
#include "kith/security/v1/request_authentication.pb.h"
#include "source/base/status.h"
#include "source/config/yaml.h"
#include "source/ctl/authz_case.h"
#include "source/jwt/authentication.h"
#include "source/policy/peer_authentication.h"
#include "source/policy/policy_set.h"
#include "source/policy/select.h"
#include "source/policy/validate.h"

namespace kith::ctl {
namespace {

using config::Node;

// One document of a suite file.
class Suite {
 public:
  Suite(const Node& root, std::shared_ptr<const config::Tree> tree, absl::string_view file,
        const std::vector<config::Document>& documents)
      : root_(root), tree_(std::move(tree)), documents_(documents) {
    context_.file = std::string(file);
  }

  absl::StatusOr<SuiteResult> Run();

 private:
  absl::Status ReadMesh(const Node& mesh);
  absl::Status ReadWorkload(const Node& workload);
  absl::Status ReadPolicies();
  absl::Status AddPolicy(const config::Document& document);
  absl::Status Compile();
  absl::StatusOr<std::string> Text(const Node& node, absl::string_view key) const;

  const Node& root_;
  const std::shared_ptr<const config::Tree> tree_;
  const std::vector<config::Document>& documents_;
  CaseContext context_;
  policy::PolicySet::Options options_;
  std::string name_, name_space_ = "default";
  policy::Labels labels_;
  std::vector<security::v1::AuthorizationPolicy> policies_;
  std::vector<security::v1::PeerAuthentication> authentications_;
};

absl::StatusOr<std::string> Suite::Text(const Node& node, absl::string_view key) const {
  const Node* value = node.Find(key);
  if (value == nullptr || value->kind == Node::Kind::kNull) return std::string();
  if (value->kind == Node::Kind::kScalar) return value->text;
  return FieldError(context_, *value, key, "needs text");
}

absl::Status Suite::ReadMesh(const Node& mesh) {
  KITH_RETURN_IF_ERROR(
      CheckMembers(context_, mesh, "mesh",
                   {"trustDomain", "trustDomainAliases", "rootNamespace", "pathNormalization"}));
  KITH_ASSIGN_OR_RETURN(const std::string trust_domain, Text(mesh, "trustDomain"));
  if (!trust_domain.empty()) options_.trust_domain = trust_domain;
  KITH_ASSIGN_OR_RETURN(const std::string root, Text(mesh, "rootNamespace"));
  if (!root.empty()) options_.root_namespace = root;
  if (const Node* aliases = mesh.Find("trustDomainAliases")) {
    for (const Node* alias : aliases->items) options_.trust_domain_aliases.push_back(alias->text);
  }
  const Node* normalization = mesh.Find("pathNormalization");
  if (normalization == nullptr || normalization->kind == Node::Kind::kNull) return absl::OkStatus();
  // Istio's own shape is a map of one field.
  if (normalization->kind == Node::Kind::kMap) normalization = normalization->Find("normalization");
  if (normalization == nullptr) return absl::OkStatus();
  constexpr std::pair<absl::string_view, http::PathMode> kModes[] = {
      {"DEFAULT", http::PathMode::kDecodeAndMergeSlashes},
      {"NONE", http::PathMode::kNone},
      {"BASE", http::PathMode::kBase},
      {"MERGE_SLASHES", http::PathMode::kMergeSlashes},
      {"DECODE_AND_MERGE_SLASHES", http::PathMode::kDecodeAndMergeSlashes}};
  for (const auto& [mode_name, mode] : kModes) {
    if (normalization->text != mode_name) continue;
    context_.path_mode = mode;
    return absl::OkStatus();
  }
  return FieldError(context_, *normalization, "mesh.pathNormalization",
                    "is NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES");
}

absl::Status Suite::ReadWorkload(const Node& workload) {
  KITH_RETURN_IF_ERROR(
      CheckMembers(context_, workload, "workload", {"namespace", "labels", "serviceAccount"}));
  KITH_ASSIGN_OR_RETURN(const std::string name_space, Text(workload, "namespace"));
  if (!name_space.empty()) name_space_ = name_space;
  if (const Node* labels = workload.Find("labels")) {
    for (const Node::Member& label : labels->members) labels_[label.key] = label.value->text;
  }
  return absl::OkStatus();
}

absl::Status Suite::AddPolicy(const config::Document& document) {
  const bool security = document.api_version == "security.istio.io/v1" ||
                        document.api_version == "security.istio.io/v1beta1";
  if (security && document.kind == "AuthorizationPolicy") {
    auto& policy = policies_.emplace_back();
    KITH_RETURN_IF_ERROR(config::Decode(document, policy));
    return policy::Validate(policy, options_.root_namespace);
  }
  if (security && document.kind == "PeerAuthentication") {
    auto& policy = authentications_.emplace_back();
    KITH_RETURN_IF_ERROR(config::Decode(document, policy));
    return policy::Validate(policy);
  }
  if (security && document.kind == "RequestAuthentication") {
    security::v1::RequestAuthentication policy;
    KITH_RETURN_IF_ERROR(config::Decode(document, policy));
    for (const auto& rule : policy.spec().jwt_rules()) {
      for (const std::string& claim : rule.space_delimited_claims()) {
        context_.space_delimited.push_back(claim);
      }
    }
    return jwt::Validate(policy);
  }
  return absl::InvalidArgumentError(absl::StrCat(document.file, ":", document.line, ": kind ",
                                                 document.kind, " of ", document.api_version,
                                                 " is no policy"));
}

absl::Status Suite::ReadPolicies() {
  for (const config::Document& document : documents_) KITH_RETURN_IF_ERROR(AddPolicy(document));
  const Node* policies = root_.Find("policies");
  if (policies == nullptr || policies->kind == Node::Kind::kNull) return absl::OkStatus();
  if (policies->kind != Node::Kind::kSequence) {
    return FieldError(context_, *policies, "policies", "needs a list of documents");
  }
  for (const Node* item : policies->items) {
    if (item->kind != Node::Kind::kMap) {
      return FieldError(context_, *item, "policies", "needs a document");
    }
    config::Document document;
    document.file = context_.file;
    document.line = item->line;
    KITH_ASSIGN_OR_RETURN(document.api_version, Text(*item, "apiVersion"));
    KITH_ASSIGN_OR_RETURN(document.kind, Text(*item, "kind"));
    document.tree = tree_;
    document.root = item;
    KITH_RETURN_IF_ERROR(AddPolicy(document));
  }
  return absl::OkStatus();
}

absl::Status Suite::Compile() {
  const policy::Workload workload{options_.root_namespace, name_space_, labels_};
  std::vector<security::v1::AuthorizationPolicy> selected;
  for (const auto& policy : policies_) {
    if (policy::Selects(policy, workload)) selected.push_back(policy);
  }
  KITH_ASSIGN_OR_RETURN(context_.policies, policy::PolicySet::Compile(selected, options_));
  KITH_ASSIGN_OR_RETURN(context_.mtls,
                        policy::ResolvePeerAuthentication(authentications_, workload));
  return absl::OkStatus();
}

absl::StatusOr<SuiteResult> Suite::Run() {
  KITH_RETURN_IF_ERROR(
      CheckMembers(context_, root_, "suite",
                   {"name", "mesh", "workload", "policies", "cases", "expectInvalid"}));
  KITH_ASSIGN_OR_RETURN(name_, Text(root_, "name"));
  if (const Node* mesh = root_.Find("mesh")) KITH_RETURN_IF_ERROR(ReadMesh(*mesh));
  if (const Node* workload = root_.Find("workload")) KITH_RETURN_IF_ERROR(ReadWorkload(*workload));
  KITH_ASSIGN_OR_RETURN(const std::string expect_invalid, Text(root_, "expectInvalid"));
  absl::Status loaded = ReadPolicies();
  if (loaded.ok()) loaded = Compile();

  SuiteResult result;
  if (expect_invalid == "true") {
    result.cases.push_back(
        {name_, "loading", !loaded.ok(), "invalid", loaded.ok() ? "valid" : "invalid",
         loaded.ok() ? "every policy was accepted" : std::string(loaded.message())});
    return result;
  }
  const Node* cases = root_.Find("cases");
  if (cases == nullptr || cases->kind != Node::Kind::kSequence) {
    return FieldError(context_, root_, "cases", "a suite needs a list of cases");
  }
  result.unreadable = !loaded.ok();
  for (const Node* item : cases->items) {
    KITH_RETURN_IF_ERROR(CheckMembers(context_, *item, "cases", {"name", "request", "expect"}));
    CaseResult outcome;
    outcome.suite = name_;
    KITH_ASSIGN_OR_RETURN(outcome.name, Text(*item, "name"));
    KITH_ASSIGN_OR_RETURN(outcome.expected, Text(*item, "expect"));
    if (outcome.expected != "allow" && outcome.expected != "deny") {
      return FieldError(context_, *item, "expect", "is allow or deny");
    }
    if (!loaded.ok()) {
      outcome.got = "invalid";
      outcome.explanation = std::string(loaded.message());
    } else {
      const Node* request = item->Find("request");
      const Node none;
      KITH_ASSIGN_OR_RETURN(Verdict verdict,
                            DecideCase(context_, request == nullptr ? none : *request));
      outcome.got = verdict.allowed ? "allow" : "deny";
      outcome.explanation = std::move(verdict.explanation);
    }
    outcome.passed = outcome.got == outcome.expected;
    result.cases.push_back(std::move(outcome));
  }
  return result;
}

}  // namespace

absl::StatusOr<std::vector<SuiteResult>> RunSuites(absl::string_view text, absl::string_view file,
                                                   const std::vector<config::Document>& policies) {
  KITH_ASSIGN_OR_RETURN(const auto tree, config::ParseYaml(text, file, config::Limits{}));
  std::vector<SuiteResult> results;
  for (const Node* root : tree->documents) {
    KITH_ASSIGN_OR_RETURN(SuiteResult result, Suite(*root, tree, file, policies).Run());
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace kith::ctl
