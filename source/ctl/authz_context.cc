#include "source/ctl/authz_context.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kith/security/v1/request_authentication.pb.h"
#include "source/base/status.h"
#include "source/ctl/authz_case.h"
#include "source/jwt/authentication.h"
#include "source/policy/validate.h"

namespace kith::ctl {
namespace {

using config::Node;
using Mtls = security::v1::PeerAuthenticationSpec::MutualTLS;

// A sidecar's answer may hold policies by the thousand.
constexpr config::Limits kAnswerLimits{
    .bytes = size_t{64} << 20, .depth = 64, .nodes = 20'000'000, .documents = 1};

absl::StatusOr<policy::EffectiveMtls> ReadMtls(absl::string_view file, const Node& node) {
  policy::EffectiveMtls mtls;
  KITH_ASSIGN_OR_RETURN(const std::string mode, TextOf(file, node.Find("mode"), "mtls.mode"));
  if (!Mtls::Mode_Parse(mode, &mtls.mode)) {
    return FieldError(file, node, "mtls.mode", "is no mode that this kithctl knows");
  }
  const Node* const ports = node.Find("ports");
  if (ports == nullptr) return mtls;
  for (const Node::Member& member : ports->members) {
    uint32_t port;
    if (!absl::SimpleAtoi(member.key, &port) || port > 65535 ||
        !Mtls::Mode_Parse(member.value->text, &mtls.port_modes[static_cast<uint16_t>(port)])) {
      return FieldError(file, *member.value, "mtls.ports", "is no port and mode");
    }
  }
  return mtls;
}

}  // namespace

absl::Status AuthzContext::SetPathNormalization(absl::string_view mode) {
  constexpr std::pair<absl::string_view, http::PathMode> kModes[] = {
      {"DEFAULT", http::PathMode::kDecodeAndMergeSlashes},
      {"NONE", http::PathMode::kNone},
      {"BASE", http::PathMode::kBase},
      {"MERGE_SLASHES", http::PathMode::kMergeSlashes},
      {"DECODE_AND_MERGE_SLASHES", http::PathMode::kDecodeAndMergeSlashes}};
  for (const auto& [name, value] : kModes) {
    if (mode != name) continue;
    path_mode_ = value;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("is NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES");
}

absl::Status AuthzContext::ReadMesh(absl::string_view file, const Node& mesh) {
  KITH_RETURN_IF_ERROR(
      CheckMembers(file, mesh, "mesh",
                   {"trustDomain", "trustDomainAliases", "rootNamespace", "pathNormalization"}));
  KITH_ASSIGN_OR_RETURN(const std::string trust_domain,
                        TextOf(file, mesh.Find("trustDomain"), "mesh.trustDomain"));
  if (!trust_domain.empty()) options_.trust_domain = trust_domain;
  KITH_ASSIGN_OR_RETURN(const std::string root,
                        TextOf(file, mesh.Find("rootNamespace"), "mesh.rootNamespace"));
  if (!root.empty()) options_.root_namespace = root;
  if (const Node* aliases = mesh.Find("trustDomainAliases")) {
    for (const Node* alias : aliases->items) options_.trust_domain_aliases.push_back(alias->text);
  }
  const Node* normalization = mesh.Find("pathNormalization");
  if (normalization == nullptr || normalization->kind == Node::Kind::kNull) return absl::OkStatus();
  // Istio's own shape is a map of one field.
  if (normalization->kind == Node::Kind::kMap) normalization = normalization->Find("normalization");
  if (normalization == nullptr) return absl::OkStatus();
  const absl::Status set = SetPathNormalization(normalization->text);
  return set.ok() ? set : FieldError(file, *normalization, "mesh.pathNormalization", set.message());
}

absl::Status AuthzContext::Add(const config::Document& document) {
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
        space_delimited_.push_back(claim);
      }
    }
    return jwt::Validate(policy);
  }
  if (others_ == Others::kPassedOver) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(document.file, ":", document.line, ": kind ",
                                                 document.kind, " of ", document.api_version,
                                                 " is no policy"));
}

absl::Status AuthzContext::ReadSidecar(const std::string& json, WorkloadSpec& workload) {
  constexpr absl::string_view kFile = "the sidecar's policies";
  KITH_ASSIGN_OR_RETURN(const auto tree, config::ParseYaml(json, kFile, kAnswerLimits));
  if (tree->documents.empty()) return absl::InvalidArgumentError("the sidecar answered nothing");
  const Node& root = *tree->documents[0];
  if (const Node* mesh = root.Find("mesh")) KITH_RETURN_IF_ERROR(ReadMesh(kFile, *mesh));
  if (const Node* own = root.Find("workload")) {
    KITH_ASSIGN_OR_RETURN(workload, ReadWorkload(kFile, *own));
  }
  if (const Node* mtls = root.Find("mtls")) {
    KITH_ASSIGN_OR_RETURN(mtls_, ReadMtls(kFile, *mtls));
  }
  if (const Node* policies = root.Find("policies")) {
    KITH_ASSIGN_OR_RETURN(const auto documents, DocumentsOf(kFile, *policies, tree));
    for (const config::Document& document : documents) KITH_RETURN_IF_ERROR(Add(document));
  }
  return absl::OkStatus();
}

bool AuthzContext::SelectsByLabels(absl::string_view name_space) const {
  const auto concerns = [&](const auto& policy) {
    const absl::string_view own = policy::NamespaceOf(policy.metadata());
    return (own == name_space || own == options_.root_namespace) &&
           policy::HasLabels(policy.spec().selector());
  };
  return std::any_of(policies_.begin(), policies_.end(), concerns) ||
         std::any_of(authentications_.begin(), authentications_.end(), concerns);
}

absl::StatusOr<CaseContext> AuthzContext::For(const WorkloadSpec& spec) const {
  CaseContext context;
  context.path_mode = path_mode_;
  context.space_delimited = space_delimited_;
  const policy::Workload workload{options_.root_namespace, spec.name_space, spec.labels};
  std::vector<security::v1::AuthorizationPolicy> selected;
  for (const auto& policy : policies_) {
    if (policy::Selects(policy, workload)) selected.push_back(policy);
  }
  KITH_ASSIGN_OR_RETURN(context.policies, policy::PolicySet::Compile(selected, options_));
  if (mtls_) {
    context.mtls = *mtls_;
  } else {
    KITH_ASSIGN_OR_RETURN(context.mtls,
                          policy::ResolvePeerAuthentication(authentications_, workload));
  }
  return context;
}

absl::StatusOr<WorkloadSpec> ReadWorkload(absl::string_view file, const Node& workload) {
  WorkloadSpec spec;
  KITH_RETURN_IF_ERROR(
      CheckMembers(file, workload, "workload", {"name", "namespace", "labels", "serviceAccount"}));
  KITH_ASSIGN_OR_RETURN(const std::string name_space,
                        TextOf(file, workload.Find("namespace"), "namespace"));
  if (!name_space.empty()) spec.name_space = name_space;
  if (const Node* labels = workload.Find("labels")) {
    for (const Node::Member& label : labels->members) spec.labels[label.key] = label.value->text;
  }
  return spec;
}

absl::StatusOr<std::vector<config::Document>> DocumentsOf(
    absl::string_view file, const Node& list, const std::shared_ptr<const config::Tree>& tree) {
  std::vector<config::Document> documents;
  if (list.kind == Node::Kind::kNull) return documents;
  if (list.kind != Node::Kind::kSequence) {
    return FieldError(file, list, "policies", "needs a list of documents");
  }
  for (const Node* item : list.items) {
    if (item->kind != Node::Kind::kMap) {
      return FieldError(file, *item, "policies", "needs a document");
    }
    config::Document& document = documents.emplace_back();
    document.file = std::string(file);
    document.line = item->line;
    KITH_ASSIGN_OR_RETURN(document.api_version,
                          TextOf(file, item->Find("apiVersion"), "apiVersion"));
    KITH_ASSIGN_OR_RETURN(document.kind, TextOf(file, item->Find("kind"), "kind"));
    document.tree = tree;
    document.root = item;
  }
  return documents;
}

}  // namespace kith::ctl
