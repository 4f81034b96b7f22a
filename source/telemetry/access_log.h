// The access log: one line of JSON for every request and every connection, with both identities and
// the decision.
// Threads: AccessLog on the main thread; each Writer on one thread of its own. A writer formats into
// its own buffer and never waits: full buffers go to one thread that writes them.
// Owns: the file, the thread, the buffers. Errors: Create() says what could not be opened. Lines that
// come faster than they can be written are dropped whole and counted (dropped()).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/telemetry/reason.h"

namespace kith::telemetry {

// One side of a connection. Empty fields are left out of the line.
struct AccessParty {
  absl::string_view address;
  absl::string_view principal;
  absl::string_view serial;  // Of the certificate it presented.
};

// A line. Everything is borrowed for the call; empty strings are left out.
struct AccessEntry {
  absl::Time time;                // When the request or connection began.
  absl::string_view kind;         // "http", "tcp".
  absl::string_view direction;    // "inbound", "outbound".
  absl::string_view request_id;
  AccessParty source;
  AccessParty destination;
  absl::string_view service;
  absl::string_view tls_version;
  absl::string_view alpn;
  absl::string_view sni;
  absl::string_view method;
  absl::string_view path;  // Without the query: secrets hide there.
  absl::string_view host;
  int status = 0;  // 0: none was sent.
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  absl::Duration duration;
  absl::string_view decision;  // "allowed", "denied", or empty when nothing was decided.
  absl::string_view policy;
  int rule = -1;
  Reason reason = Reason::kNone;
  absl::string_view detail;
};

class AccessLog {
 public:
  struct Options {
    std::string path;  // A file, appended to and created with mode 0640, or "stdout".
    size_t max_queued_bytes = 8 * 1024 * 1024;  // Waiting for the thread; more is dropped.
  };
  static absl::StatusOr<std::unique_ptr<AccessLog>> Create(const Options& options);
  ~AccessLog();  // Writes what is queued.

  class Writer;
  // For one more thread; lives as long as the log.
  Writer& AddWriter();

  // Opens the file anew: after logrotate moved it.
  void Reopen();
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
};

// Appends the line, with its end, to `out`.
void FormatAccessEntry(const AccessEntry& entry, std::string& out);

}  // namespace kith::telemetry
