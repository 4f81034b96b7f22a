// How long leaves of each root live at most: no root is removed before. Kept in a file that runs
// ahead of what is issued, so that no crash forgets a leaf; it is written at most 64 times in a
// leaf's lifetime.
// Threads: any; a mutex is held, also while the file is written.
// Owns: its table. The state directory must outlive it.
// Errors: UNAVAILABLE when the file cannot be written: whoever issues must then not issue.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/controlplane/ca/state_directory.h"

namespace kith::controlplane {

class LeafHorizon {
 public:
  // FAILED_PRECONDITION for a file that cannot be understood.
  static absl::StatusOr<std::unique_ptr<LeafHorizon>> Load(const StateDirectory& state);

  // Before a leaf leaves: one of the root with this key id, alive until `not_after`.
  absl::Status Cover(const std::string& root_key_id, absl::Time not_after, absl::Duration lifetime);
  // When the last leaf of that root ends, at the latest; infinite past when it has none.
  absl::Time End(const std::string& root_key_id) const;
  bool Knows(const std::string& root_key_id) const;
  void Forget(const std::string& root_key_id);

 private:
  explicit LeafHorizon(const StateDirectory& state) : state_(state) {}
  absl::Status Save() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const StateDirectory& state_;
  mutable std::mutex mutex_;
  std::map<std::string, absl::Time> ends_ ABSL_GUARDED_BY(mutex_);  // By root.
};

}  // namespace kith::controlplane
