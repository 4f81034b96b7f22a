// The certificates that were issued and have not ended: what a revocation finds a principal's
// certificates in, and what the OCSP responder knows. It is a view of the audit log, from which it
// is restored at start.
// Threads: any; a mutex is held for each call. Owns: its entries, about 200 bytes each, bounded.
// Errors: Restore() when the audit log cannot be read. Beyond the bound the newest are not kept and
// complete() is false.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::controlplane {

class IssuedLedger {
 public:
  static constexpr size_t kMaxLive = 2'000'000;

  struct Certificate {
    std::string serial;     // Lower-case hex.
    std::string principal;  // A SPIFFE ID.
    absl::Time not_after;
  };

  // Reads the audit log at `path`, when it is there.
  absl::Status Restore(const std::string& path, absl::Time now);

  void Note(const Certificate& certificate);
  std::optional<Certificate> Find(absl::string_view serial) const;
  std::vector<Certificate> OfPrincipal(absl::string_view principal, absl::Time now) const;
  // Forgets what ended before `now`.
  void Prune(absl::Time now);

  size_t size() const;
  bool complete() const;

 private:
  struct Entry {
    const std::string* principal;  // In principals_.
    absl::Time not_after;
  };

  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, Entry> live_ ABSL_GUARDED_BY(mutex_);
  absl::node_hash_set<std::string> principals_ ABSL_GUARDED_BY(mutex_);
  bool complete_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace kith::controlplane
