// Where the lines of the access log go: a file, a named pipe, or standard output.
// Threads: everything on one thread, apart from GiveUp() (any). A slow reader makes Write() wait.
// Owns: the descriptor, unless it is standard output.
// Errors: Create() and Reopen() say what could not be opened. Write() says why lines were lost; the
// next one tries again. Half a line that was written before is ended, so the next line stays whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::telemetry {

class AccessOutput {
 public:
  // "stdout", or a path: appended to, and created with mode 0640.
  static absl::StatusOr<std::unique_ptr<AccessOutput>> Create(const std::string& path);
  ~AccessOutput();
  AccessOutput(const AccessOutput&) = delete;
  AccessOutput& operator=(const AccessOutput&) = delete;

  // Whole lines. `lost` becomes the number of those that were not written to their end.
  // SIGPIPE must be blocked or ignored.
  absl::Status Write(absl::string_view lines, uint64_t& lost);

  // Opens the path anew. When that fails, the old file goes on taking the lines.
  absl::Status Reopen();

  // From now on Write() fails where it would wait for a reader.
  void GiveUp();

 private:
  AccessOutput(std::string path, int descriptor, int wake);
  void Use(int descriptor);
  void Close();
  absl::Status WriteAll(absl::string_view& rest);
  absl::Status AwaitRoom();

  const std::string path_;
  const int wake_;  // An eventfd; readable once GiveUp() was called.
  int descriptor_ = -1;
  bool may_wait_ = false;  // A pipe, terminal or socket: written in pieces it has room for.
  bool in_line_ = false;   // The last byte written was not the end of a line.
};

}  // namespace kith::telemetry
