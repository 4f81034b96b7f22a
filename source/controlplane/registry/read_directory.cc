#include "source/controlplane/registry/read_directory.h"

#include <dirent.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/config/document.h"

namespace kith::controlplane {
namespace {

constexpr size_t kMaxFiles = 10'000;
constexpr size_t kMaxBytes = size_t{32} * 1024 * 1024;

bool IsRegistryFile(absl::string_view name) {
  if (absl::StartsWith(name, ".")) return false;
  return absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml") ||
         absl::EndsWith(name, ".json");
}

}  // namespace

absl::StatusOr<FileSet::Files> ReadDirectory(const std::string& directory) {
  DIR* const listing = opendir(directory.c_str());
  if (listing == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("read directory ", directory, ": ", std::strerror(errno),
                     "; create it, or check registry.directory and its permissions"));
  }
  std::set<std::string> names;
  errno = 0;
  for (const dirent* entry = readdir(listing); entry != nullptr; entry = readdir(listing)) {
    if (IsRegistryFile(entry->d_name)) names.insert(entry->d_name);
  }
  const int error = errno;
  closedir(listing);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("read directory ", directory, ": ", std::strerror(error)));
  }
  if (names.size() > kMaxFiles) {
    return absl::ResourceExhaustedError(absl::StrCat("read directory ", directory, ": ",
                                                     names.size(), " files, at most ", kMaxFiles));
  }
  FileSet::Files files;
  size_t bytes = 0;
  for (const std::string& name : names) {
    auto text = config::ReadFile(absl::StrCat(directory, "/", name));
    if (text.ok()) bytes += text->size();
    if (bytes > kMaxBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("read directory ", directory, ": more than ", kMaxBytes, " bytes of files"));
    }
    // Deleted since the directory was listed.
    if (absl::IsNotFound(text.status())) continue;
    files.emplace(name, std::move(text));
  }
  return files;
}

}  // namespace kith::controlplane
