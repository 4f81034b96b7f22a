// The newest certificate issued to each identity, for the status page.
// Threads: any. Posting each to the loop would wake it for every certificate, which is a
// twentieth of what one costs. Owns: its entries, bounded.
// Errors: none; beyond the bound new identities are not noted.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::controlplane {

class IssuanceBook {
 public:
  static constexpr size_t kMaxIdentities = 100'000;

  struct Entry {
    std::string serial;
    absl::Time not_after;
    absl::Time at;
  };

  void Note(absl::string_view name_space, absl::string_view service_account, Entry entry) {
    std::string key = absl::StrCat(name_space, "/", service_account);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (entries_.size() >= kMaxIdentities && !entries_.contains(key)) return;
    entries_.insert_or_assign(std::move(key), std::move(entry));
  }

  // None when none was issued since the start.
  std::optional<Entry> Find(absl::string_view name_space, absl::string_view service_account) const {
    const std::string key = absl::StrCat(name_space, "/", service_account);
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = entries_.find(key);
    return found == entries_.end() ? std::nullopt : std::optional<Entry>(found->second);
  }

 private:
  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kith::controlplane
