// What the commands of `kithctl authz` have in common on their command line: where policies are,
// what the mesh is like, and which labels workloads have.
// Threads: one. Owns: what was typed. Errors: INVALID_ARGUMENT that quotes what was typed.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/config/document.h"
#include "source/ctl/authz_context.h"

namespace kith::ctl {

inline constexpr int kNo = 1;        // Denied, changed, found: what was asked has the answer "no".
inline constexpr int kBadData = 65;  // What was given to read is wrong.

// Every document of these files, and of the YAML files of folders and below them, in the order of
// their names.
absl::StatusOr<std::vector<config::Document>> ReadDocuments(const std::vector<std::string>& paths);

struct MeshOptions {
  std::string trust_domain, root_namespace, path_normalization;
  std::vector<std::string> aliases;
};
void AddMeshOptions(CLI::App& command, MeshOptions& options);
absl::Status Apply(const MeshOptions& options, AuthzContext& context);

// Workloads by "namespace/name", from "[namespace/name:]key=value": without a name, labels are
// everybody's.
class WorkloadLabels {
 public:
  static absl::StatusOr<WorkloadLabels> Parse(const std::vector<std::string>& typed);

  // INVALID_ARGUMENT when `needed` and nothing is known of its labels.
  enum class Labels { kNeeded, kNotNeeded };
  absl::StatusOr<WorkloadSpec> Of(absl::string_view workload, Labels needed) const;

 private:
  std::map<std::string, policy::Labels, std::less<>> by_workload_;  // "" is everybody.
};
void AddLabelOption(CLI::App& command, std::vector<std::string>& typed);

}  // namespace kith::ctl
