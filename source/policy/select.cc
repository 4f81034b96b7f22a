#include "source/policy/select.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kith/meta/v1/object.pb.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/status.h"

namespace kith::policy {

absl::string_view NamespaceOf(const meta::v1::ObjectMeta& metadata) {
  if (metadata.namespace_().empty()) return "default";
  return metadata.namespace_();
}

bool HasLabels(const security::v1::WorkloadSelector& selector) {
  return !selector.match_labels().empty();
}

bool SelectsLabels(const security::v1::WorkloadSelector& selector, const Labels& labels) {
  for (const auto& [key, value] : selector.match_labels()) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

bool Selects(const security::v1::AuthorizationPolicy& policy, const Workload& workload) {
  const security::v1::AuthorizationPolicySpec& spec = policy.spec();
  if (spec.has_target_ref() || spec.target_refs_size() > 0) return false;
  const absl::string_view name_space = NamespaceOf(policy.metadata());
  if (name_space != workload.name_space && name_space != workload.root_namespace) return false;
  return SelectsLabels(spec.selector(), workload.labels);
}

absl::Status ValidateSelector(const security::v1::WorkloadSelector& selector) {
  for (const auto& [key, value] : selector.match_labels()) {
    if (key.empty()) return absl::InvalidArgumentError("matchLabels: a label has an empty key");
    if (absl::StrContains(key, '*') || absl::StrContains(value, '*')) {
      return absl::InvalidArgumentError(absl::StrCat(
          "matchLabels[\"", key, "\"]: wildcards are not supported in labels; name each value"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateScope(const meta::v1::ObjectMeta& metadata,
                           const security::v1::WorkloadSelector& selector) {
  if (metadata.name().empty()) return absl::InvalidArgumentError("metadata.name: is missing");
  return base::Annotate(ValidateSelector(selector), "spec.selector");
}

absl::Status ValidateCreationTime(const meta::v1::ObjectMeta& metadata) {
  const std::string& created = metadata.creation_timestamp();
  absl::Time ignored;
  if (created.empty() || absl::ParseTime(absl::RFC3339_full, created, &ignored, nullptr)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "metadata.creationTimestamp: must be RFC 3339, as in 2024-05-01T12:00:00Z");
}

}  // namespace kith::policy
