#include "source/controlplane/check.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/controlplane/registry/file_set.h"
#include "source/controlplane/registry/read_directory.h"

namespace kith::controlplane {

absl::Status CheckRegistry(const Settings& settings) {
  const std::string& directory = settings.config.registry().directory();
  KITH_ASSIGN_OR_RETURN(const FileSet::Files files, ReadDirectory(directory));
  FileSet set(settings.policy);
  set.Apply(files);
  int bad = 0;
  for (const FileReport& report : set.reports()) {
    if (report.status.ok()) continue;
    ++bad;
    std::fprintf(stderr, "%s\n", std::string(report.status.message()).c_str());
  }
  if (bad > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("registry ", directory, ": ", bad, " of ", files.size(), " files are bad"));
  }
  std::printf("registry %s: %zu files are good\n", directory.c_str(), files.size());
  for (const auto& [kind, count] : set.Kinds()) std::printf("  %s: %d\n", kind.c_str(), count);
  return absl::OkStatus();
}

}  // namespace kith::controlplane
