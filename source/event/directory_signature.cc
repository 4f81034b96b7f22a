#include "source/event/directory_signature.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/event/uv_error.h"

namespace kith::event {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// One line for an entry; empty if it is gone by now.
std::string Describe(int directory, const char* name) {
  struct stat target;
  if (fstatat(directory, name, &target, 0) != 0 &&
      fstatat(directory, name, &target, AT_SYMLINK_NOFOLLOW) != 0) {
    return "";
  }
  return absl::StrCat(name, "/", target.st_mode, "/", target.st_size, "/", target.st_dev, "/",
                      target.st_ino, "/", target.st_mtim.tv_sec, ".", target.st_mtim.tv_nsec);
}

}  // namespace

absl::StatusOr<DirectorySignature> SignDirectory(const std::string& path) {
  std::string attempted = absl::StrCat("read directory ", path);
  std::unique_ptr<DIR, CloseDirectory> directory(opendir(path.c_str()));
  if (directory == nullptr) return UvError(-errno, attempted);
  int descriptor = dirfd(directory.get());
  struct stat self;
  if (fstat(descriptor, &self) != 0) return UvError(-errno, attempted);

  std::vector<std::string> lines;
  while (const dirent* entry = readdir(directory.get())) {
    absl::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    std::string line = Describe(descriptor, entry->d_name);
    if (!line.empty()) lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());

  DirectorySignature signature;
  signature.device = self.st_dev;
  signature.inode = self.st_ino;
  signature.entries = absl::StrJoin(lines, "\n");
  return signature;
}

}  // namespace kith::event
