#include "source/base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "source/base/descriptor.h"

namespace kith::base {
namespace {

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return absl::UnavailableError(
          SystemError("write", path, errno, "is the disk full or read-only?"));
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status FlushDirectoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
    return absl::UnavailableError(
        SystemError("flush directory", parent, errno, "is the disk healthy?"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string SystemError(absl::string_view attempted, absl::string_view path, int error,
                        absl::string_view remedy) {
  return absl::StrCat(attempted, " ", path, ": ", std::strerror(error), "; ", remedy);
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode) {
  std::string temporary = absl::StrCat(path, ".new");
  // A crash may have left one behind, perhaps with another mode.
  ::unlink(temporary.c_str());
  const Descriptor file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (file.get() < 0) {
    return absl::UnavailableError(
        SystemError("create", temporary, errno, "may this user write to the directory?"));
  }
  absl::Status written = WriteAll(file.get(), content, temporary);
  if (written.ok() && (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0)) {
    written = absl::UnavailableError(
        SystemError("flush", temporary, errno, "is the disk full or read-only?"));
  }
  if (written.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written =
        absl::UnavailableError(SystemError("replace", path, errno, "is it a directory instead?"));
  }
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  return FlushDirectoryOf(path);
}

}  // namespace kith::base
