// The access log: one line of JSON for every request and every connection, with both identities and
// the decision.
// Threads: AccessLog on the main thread; each Writer on one thread of its own. A writer formats
// into its own buffer and never waits: full buffers go to one thread that writes them. Owns: the
// file, the thread, the buffers. Errors: Create() says what could not be opened. Lines that come
// faster than they can be written are dropped whole and counted (dropped()).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/telemetry/access_entry.h"

namespace kith::telemetry {

class Metrics;

class AccessLog {
 public:
  struct Options {
    std::string path;  // A file, appended to and created with mode 0640, or "stdout".
    size_t max_queued_bytes = 8 * 1024 * 1024;  // Waiting for the thread; more is dropped.
    // How long the destructor waits for a reader that does not read.
    absl::Duration grace = absl::Seconds(2);
    Metrics* metrics = nullptr;  // Counts lost lines too; null: only dropped() does.
  };
  static absl::StatusOr<std::unique_ptr<AccessLog>> Create(const Options& options);
  ~AccessLog();  // Writes what is buffered and queued; the writers must be at rest.

  class Writer;
  // For one more thread; lives as long as the log.
  Writer& AddWriter();

  // Opens the file anew: after logrotate moved it. A file that cannot be opened is logged, and the
  // old one goes on taking the lines.
  void Reopen();
  // Lines lost because the queue was full or writing failed.
  uint64_t dropped() const;

 private:
  class Impl;
  explicit AccessLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class AccessLog::Writer {
 public:
  explicit Writer(Impl& log) : log_(log) {}

  void Write(const AccessEntry& entry);
  // Hands over what is buffered; the caller does so regularly, so that lines do not linger.
  void Flush();

 private:
  static constexpr size_t kHandOverAt = 64 * 1024;
  Impl& log_;
  std::string buffer_;
  uint64_t lines_ = 0;  // In buffer_.
};

}  // namespace kith::telemetry
