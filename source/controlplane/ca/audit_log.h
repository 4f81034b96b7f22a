// The record of every certificate issued or refused, and of every token made: one JSON object a
// line, appended to audit.jsonl (0600) in the state directory. Later fields go at the end of a
// line.
//   {"v":1,"time":…,"event":"certificate","decision":"issued","reason":"-","spiffe_id":…,
//    "serial":…,"not_before":…,"not_after":…,"key_type":…,"caller":…,"token_id":…,"peer":…,
//    "detail":…}
// Threads: any; a mutex is held for one write.
// Owns: the file's descriptor.
// Errors: UNAVAILABLE when the line is not wholly in the file; whoever issues must then not issue.
// Durability: a line has been given to the kernel before Append() returns, so killing the process
// loses none. It is flushed to the disk at most once a second and on close, so a power cut may cost
// the last lines.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/state_directory.h"

namespace kith::controlplane {

enum class AuditEvent : uint8_t {
  kCertificate,
  kServerCertificate,
  kToken,
  kIntermediate,
  kRotation,  // A step of a root rotation; `detail` says which.
};

// Empty texts and infinite times are left out of the line.
struct AuditEntry {
  AuditEvent event = AuditEvent::kCertificate;
  Refusal refusal = Refusal::kNone;  // kNone: issued.
  std::string spiffe_id = {};
  std::string serial = {};
  absl::Time not_before = absl::InfinitePast();
  absl::Time not_after = absl::InfiniteFuture();
  std::string key_type = {};
  std::string caller = {};    // "namespace/service account", as the token says.
  std::string token_id = {};  // Its jti, never the token.
  std::string peer = {};      // The address the request came from.
  std::string detail = {};    // Of a refusal.
};

class AuditLog {
 public:
  struct Options {
    const StateDirectory* state = nullptr;  // Must outlive the log.
    const base::Clock* clock = &base::Clock::System();
    // Refusals anybody can cause are written at most so often, lest a stranger fill the disk. The
    // next line that is written says in "suppressed" how many were not.
    int refusals_per_second = 20;
  };
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(Options options);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  absl::Status Append(const AuditEntry& entry);
  const std::string& path() const { return path_; }

 private:
  AuditLog(Options options, std::string path, int file)
      : options_(options), path_(std::move(path)), file_(file) {}
  bool TakeRefusalToken(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteLine(absl::string_view line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::string path_;
  const int file_;
  std::mutex mutex_;
  absl::Time flushed_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time second_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int refusals_in_second_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t suppressed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace kith::controlplane
