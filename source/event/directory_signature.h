// What a directory looks like from outside: enough to tell that it, or a file in it, has changed.
// Threads: any. Owns: itself.
// Errors: of reading the directory; an entry that vanishes meanwhile is simply not there.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace kith::event {

struct DirectorySignature {
  // Which directory the path names at the moment: a watch is on this one, whatever the path
  // becomes.
  dev_t device = 0;
  ino_t inode = 0;
  // Names, sizes, inodes and modification times of its entries, symlinks followed.
  std::string entries;

  friend bool operator==(const DirectorySignature&, const DirectorySignature&) = default;
};

absl::StatusOr<DirectorySignature> SignDirectory(const std::string& path);

}  // namespace kith::event
