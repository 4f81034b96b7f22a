// Policies as files hold them, and what they say together for one workload: what kithctl authz
// decides by.
// Threads: one. Owns: everything it read.
// Errors: INVALID_ARGUMENT "file:line: field: ..." or as the policies' own validation says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "kith/security/v1/peer_authentication.pb.h"
#include "source/config/document.h"
#include "source/config/yaml.h"
#include "source/ctl/authz_request.h"
#include "source/policy/select.h"

namespace kith::ctl {

struct WorkloadSpec {
  std::string name_space = "default";
  policy::Labels labels;
};

class AuthzContext {
 public:
  // What to do with documents that are no policies: a test refuses them, a registry's folder holds
  // Services and more.
  enum class Others { kRefused, kPassedOver };
  explicit AuthzContext(Others others) : others_(others) {}

  // A suite's `mesh` and `workload`.
  absl::Status ReadMesh(absl::string_view file, const config::Node& mesh);
  absl::Status SetPathNormalization(absl::string_view mode);
  absl::Status Add(const config::Document& document);
  // What a sidecar answers on /v1/policies; `workload` is its own.
  absl::Status ReadSidecar(const std::string& json, WorkloadSpec& workload);

  policy::PolicySet::Options& options() { return options_; }
  const std::vector<security::v1::AuthorizationPolicy>& policies() const { return policies_; }
  // Whether labels matter for who is selected.
  bool SelectsByLabels(absl::string_view name_space) const;

  absl::StatusOr<CaseContext> For(const WorkloadSpec& workload) const;

 private:
  const Others others_;
  policy::PolicySet::Options options_;
  http::PathMode path_mode_ = http::PathMode::kDecodeAndMergeSlashes;
  std::vector<std::string> space_delimited_;
  std::vector<security::v1::AuthorizationPolicy> policies_;
  std::vector<security::v1::PeerAuthentication> authentications_;
  absl::optional<policy::EffectiveMtls> mtls_;  // Of the sidecar that was asked.
};

absl::StatusOr<WorkloadSpec> ReadWorkload(absl::string_view file, const config::Node& workload);
// The documents of a list in a suite.
absl::StatusOr<std::vector<config::Document>> DocumentsOf(
    absl::string_view file, const config::Node& list,
    const std::shared_ptr<const config::Tree>& tree);

}  // namespace kith::ctl
