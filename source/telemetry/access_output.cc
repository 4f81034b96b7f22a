#include "source/telemetry/access_output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::telemetry {
namespace {

constexpr absl::string_view kStandardOutput = "stdout";

absl::StatusOr<int> Open(const std::string& path) {
  if (path == kStandardOutput) return STDOUT_FILENO;
  // A named pipe without a reader would block the open; it gives ENXIO so.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
  const int descriptor = open(path.c_str(), kFlags, 0640);
  if (descriptor >= 0) return descriptor;
  return absl::FailedPreconditionError(
      absl::StrCat("open the access log ", path, ": ", std::strerror(errno),
                   errno == ENXIO ? "; is its reader running?"
                                  : "; does its folder exist, and may this user write there?"));
}

// How much of `lines` to write at once to what may be full: what a pipe takes whole once it has
// room, ending with a line where one ends, so that lines of other writers do not cut ours.
size_t PieceOf(absl::string_view lines) {
  if (lines.size() <= PIPE_BUF) return lines.size();
  const size_t end = lines.substr(0, PIPE_BUF).rfind('\n');
  return end == absl::string_view::npos ? PIPE_BUF : end + 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AccessOutput>> AccessOutput::Create(const std::string& path) {
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("open an eventfd for the access log: ", std::strerror(errno)));
  }
  absl::StatusOr<int> descriptor = Open(path);
  if (!descriptor.ok()) {
    close(wake);
    return descriptor.status();
  }
  return std::unique_ptr<AccessOutput>(new AccessOutput(path, *descriptor, wake));
}

AccessOutput::AccessOutput(std::string path, int descriptor, int wake)
    : path_(std::move(path)), wake_(wake) {
  Use(descriptor);
}

AccessOutput::~AccessOutput() {
  Close();
  close(wake_);
}

void AccessOutput::Use(int descriptor) {
  Close();
  descriptor_ = descriptor;
  in_line_ = false;
  struct stat about;
  may_wait_ = fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode);
}

void AccessOutput::Close() {
  if (descriptor_ >= 0 && descriptor_ != STDOUT_FILENO) close(descriptor_);
  descriptor_ = -1;
}

absl::Status AccessOutput::Reopen() {
  if (path_ == kStandardOutput) return absl::OkStatus();
  absl::StatusOr<int> descriptor = Open(path_);
  if (!descriptor.ok()) return descriptor.status();
  Use(*descriptor);
  return absl::OkStatus();
}

void AccessOutput::GiveUp() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

absl::Status AccessOutput::Write(absl::string_view lines, uint64_t& lost) {
  absl::Status status;
  if (in_line_) {
    absl::string_view end = "\n";
    status = WriteAll(end);
  }
  if (status.ok()) status = WriteAll(lines);
  lost = static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  return status;
}

absl::Status AccessOutput::WriteAll(absl::string_view& rest) {
  while (!rest.empty()) {
    if (may_wait_) {
      if (absl::Status status = AwaitRoom(); !status.ok()) return status;
    }
    const size_t size = may_wait_ ? PieceOf(rest) : rest.size();
    const ssize_t written = write(descriptor_, rest.data(), size);
    if (written > 0) {
      in_line_ = rest[static_cast<size_t>(written) - 1] != '\n';
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return absl::UnavailableError(absl::StrCat("write the access log ", path_, ": ",
                                                 std::strerror(errno),
                                                 "; is the disk full, or its reader gone?"));
    }
  }
  return absl::OkStatus();
}

absl::Status AccessOutput::AwaitRoom() {
  pollfd waiting[] = {{descriptor_, POLLOUT, 0}, {wake_, POLLIN, 0}};
  while (poll(waiting, 2, -1) < 0) {
    if (errno != EINTR) {
      return absl::InternalError(
          absl::StrCat("wait for the access log ", path_, ": ", std::strerror(errno)));
    }
  }
  // What there is room for is still written after GiveUp().
  if (waiting[0].revents != 0) return absl::OkStatus();
  return absl::CancelledError(
      absl::StrCat("write the access log ", path_, ": its reader is too slow to wait for"));
}

}  // namespace kith::telemetry
