#include "source/capture/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace kith::capture {
namespace {

constexpr absl::string_view kSearchPath =
    "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

// A file in memory, closed at the end. Output goes to one, so that no pipe can fill up.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("kith-capture", MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }
  bool Fill(absl::string_view text) {
    return write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
           lseek(descriptor_, 0, SEEK_SET) == 0;
  }
  std::string Contents() const {
    std::string text(static_cast<size_t>(lseek(descriptor_, 0, SEEK_END)), '\0');
    const ssize_t got = pread(descriptor_, text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
  }

 private:
  int descriptor_;
};

std::string Find(absl::string_view name) {
  for (const absl::string_view folder : absl::StrSplit(kSearchPath, ':')) {
    std::string path = absl::StrCat(folder, "/", name);
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

}  // namespace

bool HasProgram(absl::string_view name) { return !Find(name).empty(); }

absl::StatusOr<std::string> RunProgram(const std::vector<std::string>& command,
                                       absl::string_view input) {
  const std::string path = Find(command[0]);
  if (path.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no program ", command[0],
                                            " on this machine; is its package installed?"));
  }
  MemoryFile in, out, error;
  if (in.descriptor() < 0 || out.descriptor() < 0 || error.descriptor() < 0 || !in.Fill(input)) {
    return absl::InternalError(absl::StrCat("run ", command[0], ": ", std::strerror(errno)));
  }
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.descriptor(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, error.descriptor(), STDERR_FILENO);
  pid_t child = 0;
  const int failed =
      posix_spawn(&child, path.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return absl::InternalError(absl::StrCat("run ", path, ": ", std::strerror(failed)));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return out.Contents();
  return absl::InternalError(absl::StrCat(
      absl::StrJoin(command, " "), " failed: ", absl::StripAsciiWhitespace(error.Contents())));
}

}  // namespace kith::capture
