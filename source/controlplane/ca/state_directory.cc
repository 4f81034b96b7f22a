#include "source/controlplane/ca/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/descriptor.h"
#include "source/base/status.h"

namespace kith::controlplane {
using base::Descriptor;

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    int error = errno;
    std::string message =
        SystemError("read", path, error, "does it exist and may this user read it?");
    return error == ENOENT ? absl::NotFoundError(message) : absl::FailedPreconditionError(message);
  }
  std::string content;
  char buffer[16384];
  while (true) {
    ssize_t got = ::read(file.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::FailedPreconditionError(SystemError("read", path, errno, "is it a file?"));
    }
    if (got == 0) return content;
    content.append(buffer, static_cast<size_t>(got));
    if (content.size() > limit) {
      return absl::FailedPreconditionError(
          absl::StrCat("read ", path, ": more than ", limit, " bytes; is it the right file?"));
    }
  }
}

absl::StatusOr<std::unique_ptr<StateDirectory>> StateDirectory::Open(std::string path) {
  if (path.empty()) {
    return absl::InvalidArgumentError("state directory: none given; set state_directory");
  }
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::FailedPreconditionError(SystemError(
        "create state directory", path, errno,
        "make it by hand (mode 0700) or set state_directory to one this user may make"));
  }
  Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat facts;
  if (directory.get() < 0 || ::fstat(directory.get(), &facts) != 0) {
    return absl::FailedPreconditionError(
        SystemError("open state directory", path, errno, "is it a directory this user may read?"));
  }
  if ((facts.st_mode & 022) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("state directory ", path,
                     ": others may write to it, so its keys are not safe; run: chmod 700 ", path));
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0) {
    return absl::FailedPreconditionError(
        SystemError("write to state directory", path, errno,
                    "give it to the user of the control plane or choose another"));
  }
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("state directory ", path,
                     ": another control plane is using it; stop that one or choose another"));
  }
  return std::unique_ptr<StateDirectory>(new StateDirectory(std::move(path), directory.Release()));
}

StateDirectory::~StateDirectory() { ::close(lock_); }

std::string StateDirectory::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::StatusOr<std::optional<std::string>> StateDirectory::Read(absl::string_view name) const {
  absl::StatusOr<std::string> content = ReadFile(File(name));
  if (absl::IsNotFound(content.status())) return std::nullopt;
  if (!content.ok()) return content.status();
  return *std::move(content);
}

absl::Status StateDirectory::Write(absl::string_view name, absl::string_view content,
                                   mode_t mode) const {
  return WriteFileAtomically(File(name), content, mode);
}

}  // namespace kith::controlplane
