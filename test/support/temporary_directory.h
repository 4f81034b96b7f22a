// A directory of its own for a test, removed with all that is in it at the end.
// Threads: one at a time. Owns: the directory. Errors: none; it aborts when there is no room.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace kith::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  // path()/name; the file need not exist.
  std::string File(absl::string_view name) const;
  // Writes the file and returns its path. Sub-folders in `name` are created.
  std::string Write(absl::string_view name, absl::string_view content) const;
  // The content; empty when there is no such file.
  std::string Read(absl::string_view name) const;

 private:
  std::string path_;
};

}  // namespace kith::test
