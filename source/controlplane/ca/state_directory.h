// The directory where the control plane keeps what outlives a restart: keys, certificates, the
// audit log. One process at a time holds it; files are replaced whole or not at all. Threads: any;
// two writers of one name must agree among themselves. Owns: a lock on the directory until it is
// destroyed (the kernel drops it with the process). Errors: one line that names the path and what
// to do.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/base/atomic_file.h"

namespace kith::controlplane {

class StateDirectory {
 public:
  // Makes the directory with mode 0700 when there is none. Refuses one that others may write to.
  static absl::StatusOr<std::unique_ptr<StateDirectory>> Open(std::string path);
  ~StateDirectory();
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const;

  // Nothing when there is no such file.
  absl::StatusOr<std::optional<std::string>> Read(absl::string_view name) const;
  // WriteFileAtomically() in this directory.
  absl::Status Write(absl::string_view name, absl::string_view content, mode_t mode) const;

 private:
  StateDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_;
};

// Refuses files over `limit` bytes. NOT_FOUND when there is none.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit = 1 << 20);

using base::SystemError;
using base::WriteFileAtomically;

}  // namespace kith::controlplane
