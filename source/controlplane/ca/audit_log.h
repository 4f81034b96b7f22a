// The record of every certificate issued or refused, every token made and every revocation: one
// JSON object a line, appended to audit.jsonl (0600) in the state directory. Later fields go at the
// end of a line, before the chain (x509/hash_chain.h) that `kithctl ca audit verify` checks.
//   {"v":2,"time":…,"event":"certificate","decision":"issued","reason":"-","spiffe_id":…,
//    "serial":…,"not_before":…,"not_after":…,"key_type":…,"caller":…,"token_id":…,"peer":…,
//    "detail":…,"chain":…}
// Threads: any; a mutex is held for one write. A thread of its own flushes to the disk.
// Owns: the file's descriptor and the thread.
// Errors: UNAVAILABLE when the line is not wholly in the file; whoever issues must then not issue.
// A failed flush is for good, until a restart: nobody knows which lines it lost.
// Durability: a line has been given to the kernel before Append() returns, so killing the process
// loses none; it is on the disk when WhenFlushed() calls back, within a second otherwise. A line
// that a power cut left unfinished is cut off at the next start, which a line of its own records.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/issued_ledger.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/state_directory.h"

namespace kith::controlplane {

enum class AuditEvent : uint8_t {
  kCertificate,
  kServerCertificate,
  kToken,
  kIntermediate,
  kRotation,  // A step of a root rotation; `detail` says which.
  kJoinToken,
  kRevocation,
  kUnrevocation,
  kRecovery,
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
    IssuedLedger* ledger = nullptr;  // Told of every certificate issued. May be null.
  };
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(Options options);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  using Flushed = absl::AnyInvocable<void(absl::Status)>;

  absl::Status Append(const AuditEntry& entry);
  // Calls `done` on the log's own thread once every line appended before is on the disk, with the
  // error if it is not. Calls that come meanwhile share the next flush.
  void WhenFlushed(Flushed done);
  const std::string& path() const { return path_; }
  // Of the last line.
  std::string chain() const;

 private:
  AuditLog(Options options, std::string path, int file)
      : options_(options), path_(std::move(path)), file_(file) {}
  absl::Status FindEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeRefusalToken(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteLine(absl::string_view line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteEntry(const AuditEntry& entry, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FlushUntilStopped();

  const Options options_;
  const std::string path_;
  const int file_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string chain_ ABSL_GUARDED_BY(mutex_);
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);  // Of a flush that failed.
  std::vector<Flushed> waiting_ ABSL_GUARDED_BY(mutex_);
  bool dirty_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time second_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int refusals_in_second_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t suppressed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread flusher_;
};

}  // namespace kith::controlplane
