// The revocation lists that the bootstrap names as files, read again when one of them changes.
// Threads: the loop's. Owns: the watches. Loop and metrics shard are borrowed and outlive it.
// Errors: Create() when a file cannot be read or used at the start. Later, a file that is missing
// or broken leaves its last good lists in force, is counted, and logged once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/event/directory_watch.h"
#include "source/event/loop.h"
#include "source/telemetry/metrics.h"
#include "source/tls/revocation.h"

namespace kith::sidecar {

class CrlFiles {
 public:
  struct Options {
    std::vector<std::string> files;
    // Takes the lists of all files into use, or says why not.
    std::function<absl::Status(tls::Crls)> use;
    telemetry::Shard* metrics = nullptr;  // None counts nothing.
  };
  static absl::StatusOr<std::unique_ptr<CrlFiles>> Create(event::Loop& loop, Options options);

 private:
  struct File {
    std::string path;
    std::string bytes;
    tls::Crls lists;
    std::string error;  // Of the last reading; empty after a good one.
  };
  explicit CrlFiles(Options options) : options_(std::move(options)) {}

  absl::Status Read(File& file);
  absl::Status Use() const;
  void OnChange();
  void Count(absl::string_view result) const;

  const Options options_;
  std::vector<File> files_;
  std::vector<std::unique_ptr<event::DirectoryWatch>> watches_;
};

}  // namespace kith::sidecar
