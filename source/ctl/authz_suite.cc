#include "source/ctl/authz_suite.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/config/yaml.h"
#include "source/ctl/authz_case.h"
#include "source/ctl/authz_context.h"

namespace kith::ctl {
namespace {

using config::Node;

// One document of a suite file.
class Suite {
 public:
  Suite(const Node& root, std::shared_ptr<const config::Tree> tree, absl::string_view file,
        const std::vector<config::Document>& documents)
      : root_(root), tree_(std::move(tree)), file_(file), documents_(documents) {}

  absl::StatusOr<SuiteResult> Run();

 private:
  absl::Status Load();
  absl::StatusOr<CaseResult> RunCase(const Node& item, const absl::Status& loaded) const;
  absl::StatusOr<std::string> Text(const Node& node, absl::string_view key) const {
    return TextOf(file_, node.Find(key), key);
  }

  const Node& root_;
  const std::shared_ptr<const config::Tree> tree_;
  const std::string file_;
  const std::vector<config::Document>& documents_;
  AuthzContext policies_{AuthzContext::Others::kRefused};
  WorkloadSpec workload_;
  CaseContext context_;
  std::string name_;
};

absl::Status Suite::Load() {
  for (const config::Document& document : documents_) {
    KITH_RETURN_IF_ERROR(policies_.Add(document));
  }
  if (const Node* list = root_.Find("policies")) {
    KITH_ASSIGN_OR_RETURN(const auto documents, DocumentsOf(file_, *list, tree_));
    for (const config::Document& document : documents) {
      KITH_RETURN_IF_ERROR(policies_.Add(document));
    }
  }
  KITH_ASSIGN_OR_RETURN(context_, policies_.For(workload_));
  return absl::OkStatus();
}

absl::StatusOr<CaseResult> Suite::RunCase(const Node& item, const absl::Status& loaded) const {
  KITH_RETURN_IF_ERROR(CheckMembers(file_, item, "cases", {"name", "request", "expect"}));
  CaseResult outcome;
  outcome.suite = name_;
  KITH_ASSIGN_OR_RETURN(outcome.name, Text(item, "name"));
  KITH_ASSIGN_OR_RETURN(outcome.expected, Text(item, "expect"));
  if (outcome.expected != "allow" && outcome.expected != "deny") {
    return FieldError(file_, item, "expect", "is allow or deny");
  }
  if (!loaded.ok()) {
    outcome.got = "invalid";
    outcome.explanation = std::string(loaded.message());
    return outcome;
  }
  const Node* request = item.Find("request");
  const Node none;
  KITH_ASSIGN_OR_RETURN(const AuthzRequest read,
                        ReadRequest(file_, request == nullptr ? none : *request));
  Verdict verdict = DecideRequest(context_, read);
  outcome.got = verdict.allowed ? "allow" : "deny";
  outcome.explanation = std::move(verdict.explanation);
  outcome.passed = outcome.got == outcome.expected;
  return outcome;
}

absl::StatusOr<SuiteResult> Suite::Run() {
  KITH_RETURN_IF_ERROR(CheckMembers(
      file_, root_, "suite", {"name", "mesh", "workload", "policies", "cases", "expectInvalid"}));
  KITH_ASSIGN_OR_RETURN(name_, Text(root_, "name"));
  if (const Node* mesh = root_.Find("mesh")) {
    KITH_RETURN_IF_ERROR(policies_.ReadMesh(file_, *mesh));
  }
  if (const Node* workload = root_.Find("workload")) {
    KITH_ASSIGN_OR_RETURN(workload_, ReadWorkload(file_, *workload));
  }
  KITH_ASSIGN_OR_RETURN(const std::string expect_invalid, Text(root_, "expectInvalid"));
  const absl::Status loaded = Load();

  SuiteResult result;
  if (expect_invalid == "true") {
    result.cases.push_back(
        {name_, "loading", !loaded.ok(), "invalid", loaded.ok() ? "valid" : "invalid",
         loaded.ok() ? "every policy was accepted" : std::string(loaded.message())});
    return result;
  }
  const Node* cases = root_.Find("cases");
  if (cases == nullptr || cases->kind != Node::Kind::kSequence) {
    return FieldError(file_, root_, "cases", "a suite needs a list of cases");
  }
  result.unreadable = !loaded.ok();
  for (const Node* item : cases->items) {
    KITH_ASSIGN_OR_RETURN(CaseResult outcome, RunCase(*item, loaded));
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
