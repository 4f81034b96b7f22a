// The texts of a registry's directory: *.yaml, *.yml and *.json, not in sub-folders, no hidden
// files; symbolic links are followed, as Kubernetes mounts volumes through them. Threads: any;
// reads block. Owns: nothing. Errors: the directory's, or too much in it; a file's own error stands
// in its place in the result.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "source/controlplane/registry/file_set.h"

namespace kith::controlplane {

absl::StatusOr<FileSet::Files> ReadDirectory(const std::string& directory);

}  // namespace kith::controlplane
