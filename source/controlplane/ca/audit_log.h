// The record of every certificate issued or refused, every token made and every revocation: one
// JSON object a line, appended to audit.jsonl (0600) in the state directory. Later fields go at the
// end of a line, before the chain (x509/hash_chain.h) that `kithctl ca audit verify` checks.
//   {"v":2,"time":…,"event":"certificate","decision":"issued","reason":"-","spiffe_id":…,
//    "serial":…,"not_before":…,"not_after":…,"key_type":…,"caller":…,"token_id":…,"peer":…,
//    "detail":…,"chain":…}
// Threads: any; Append() waits for one write. A thread of its own writes what is enqueued, and
// flushes to the disk.
// Owns: the file's descriptor and the thread.
// Errors: UNAVAILABLE when the line is not wholly in the file; whoever issues must then not issue.
// What is enqueued behind a line that could not be written is lost with it, and so is what calls
// WhenFlushed() for it told. A failed flush is for good, until a restart: nobody knows which lines
// it lost.
// Durability: a line has been given to the kernel before Append() returns, so killing the process
// loses none; one that is enqueued, and any on the disk, when WhenFlushed() calls back, within a
// second otherwise. A line that a power cut left unfinished is cut off at the next start, which a
// line of its own records.
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
  using Line = uint64_t;  // Counted since the start; zero is none.

  absl::Status Append(const AuditEntry& entry);
  // For what waits for WhenFlushed() before it leaves: many lines then share one write. The error
  // is one that an earlier flush left; that of this line's write comes with WhenFlushed().
  absl::StatusOr<Line> Enqueue(const AuditEntry& entry);
  // Calls `done` on the log's own thread once `line` and every line before it are on the disk, with
  // the error if they are not. Calls that come meanwhile share the next flush.
  void WhenFlushed(Line line, Flushed done);
  const std::string& path() const { return path_; }

 private:
  struct Waiter {
    Line line;
    Flushed done;
  };

  AuditLog(Options options, std::string path, int file)
      : options_(options), path_(std::move(path)), file_(file) {}
  absl::Status FindEnd();
  bool TakeRefusalToken(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Zero when the entry is one refusal too many.
  absl::StatusOr<Line> Queue(const AuditEntry& entry);
  // Writes what is queued; `waiting` becomes who waits for it or for what was written before.
  absl::Status WriteQueue(std::vector<Waiter>* waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mutex_);
  absl::Status WriteWhole(absl::string_view lines) ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mutex_);
  void FlushOnce();
  void FlushUntilStopped();

  const Options options_;
  const std::string path_;
  const int file_;

  // Held while the file is written, and taken before the other.
  std::mutex file_mutex_;
  std::string written_chain_ ABSL_GUARDED_BY(file_mutex_);  // Of the file's last line.

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string queue_ ABSL_GUARDED_BY(mutex_);  // Whole lines.
  std::string chain_ ABSL_GUARDED_BY(mutex_);  // Of the last line queued.
  Line last_ ABSL_GUARDED_BY(mutex_) = 0;
  Line lost_ ABSL_GUARDED_BY(mutex_) = 0;        // The last line that could not be written, and
  absl::Status loss_ ABSL_GUARDED_BY(mutex_);    // why; some before it may be in the file.
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);  // Of a flush that failed.
  std::vector<Waiter> waiting_ ABSL_GUARDED_BY(mutex_);
  bool dirty_ ABSL_GUARDED_BY(mutex_) = false;  // Something is written that is not flushed.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time second_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int refusals_in_second_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t suppressed_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t queued_suppressed_ ABSL_GUARDED_BY(mutex_) = 0;  // That lines in the queue tell of.
  std::thread flusher_;
};

}  // namespace kith::controlplane
