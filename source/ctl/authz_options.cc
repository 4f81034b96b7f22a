#include "source/ctl/authz_options.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"

namespace kith::ctl {
namespace {

// The file itself, or the YAML files of a folder and below it, in the order of their names.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (std::filesystem::recursive_directory_iterator entry(path, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string extension = entry->path().extension();
    if (extension == ".yaml" || extension == ".yml" || extension == ".json") {
      files.push_back(entry->path());
    }
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("read ", path, ": ", error.message()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

absl::StatusOr<std::vector<config::Document>> ReadDocuments(const std::vector<std::string>& paths) {
  std::vector<config::Document> documents;
  for (const std::string& path : paths) {
    KITH_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(path));
    for (const std::string& file : files) {
      const auto text = config::ReadFile(file);
      if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
      KITH_ASSIGN_OR_RETURN(std::vector<config::Document> more,
                            config::ParseDocuments(*text, file));
      std::move(more.begin(), more.end(), std::back_inserter(documents));
    }
  }
  return documents;
}

void AddMeshOptions(CLI::App& command, MeshOptions& options) {
  command.add_option("--trust-domain", options.trust_domain, "The mesh's (cluster.local)");
  command.add_option("--trust-domain-alias", options.aliases, "One that the mesh had before");
  command.add_option("--root-namespace", options.root_namespace, "Default istio-system");
  command.add_option("--path-normalization", options.path_normalization,
                     "NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES (the default)");
}

absl::Status Apply(const MeshOptions& options, AuthzContext& context) {
  if (!options.trust_domain.empty()) context.options().trust_domain = options.trust_domain;
  if (!options.root_namespace.empty()) context.options().root_namespace = options.root_namespace;
  for (const std::string& alias : options.aliases) {
    context.options().trust_domain_aliases.push_back(alias);
  }
  if (options.path_normalization.empty()) return absl::OkStatus();
  return base::Annotate(context.SetPathNormalization(options.path_normalization),
                        "--path-normalization");
}

void AddLabelOption(CLI::App& command, std::vector<std::string>& typed) {
  command
      .add_option("--label", typed,
                  "A label of the workload that policies select by; repeat it for more")
      ->type_name("[NAMESPACE/NAME:]KEY=VALUE");
}

absl::StatusOr<WorkloadLabels> WorkloadLabels::Parse(const std::vector<std::string>& typed) {
  WorkloadLabels labels;
  for (const std::string& each : typed) {
    const size_t equals = each.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label \"", each, "\": write KEY=VALUE or NAMESPACE/NAME:KEY=VALUE"));
    }
    const std::string before = each.substr(0, equals);
    const size_t colon = before.find(':');
    const std::string workload = colon == std::string::npos ? "" : before.substr(0, colon);
    const std::string key = colon == std::string::npos ? before : before.substr(colon + 1);
    labels.by_workload_[workload][key] = each.substr(equals + 1);
  }
  return labels;
}

absl::StatusOr<WorkloadSpec> WorkloadLabels::Of(absl::string_view workload, Labels needed) const {
  WorkloadSpec spec;
  spec.name_space = std::string(workload.substr(0, workload.find('/')));
  bool known = false;
  for (absl::string_view name : {absl::string_view(), workload}) {
    const auto found = by_workload_.find(name);
    if (found == by_workload_.end()) continue;
    known = true;
    for (const auto& [key, value] : found->second) spec.labels[key] = value;
  }
  if (known || needed == Labels::kNotNeeded) return spec;
  return absl::InvalidArgumentError(absl::StrCat(
      "the labels of ", workload, " decide which policies concern it; give them: --label ",
      workload, ":KEY=VALUE"));
}

}  // namespace kith::ctl
