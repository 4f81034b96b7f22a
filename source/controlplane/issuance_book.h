// The newest certificate issued to each identity, for the status page.
// Threads: the loop's. Owns: its entries, bounded.
// Errors: none; beyond the bound new identities are not noted.
#pragma once

#include <string>
#include <utility>

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
    if (entries_.size() >= kMaxIdentities && !entries_.contains(key)) return;
    entries_.insert_or_assign(std::move(key), std::move(entry));
  }

  // Null when none was issued since the start.
  const Entry* Find(absl::string_view name_space, absl::string_view service_account) const {
    const auto found = entries_.find(absl::StrCat(name_space, "/", service_account));
    return found == entries_.end() ? nullptr : &found->second;
  }

 private:
  absl::flat_hash_map<std::string, Entry> entries_;
};

}  // namespace kith::controlplane
