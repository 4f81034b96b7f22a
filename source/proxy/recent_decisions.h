// The last decisions of a worker, as lines of the access log, so that one can be asked for by its
// request's id and explained.
// Threads: the worker's loop. Owns: its lines, a fixed number of them; each is bounded as in the
// log and keeps its memory for the next. Errors: none.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "source/telemetry/access_entry.h"

namespace kith::proxy {

class RecentDecisions {
 public:
  // Zero keeps none.
  explicit RecentDecisions(size_t capacity) : kept_(capacity) {}

  bool enabled() const { return !kept_.empty(); }
  void Add(const telemetry::AccessEntry& entry);
  // The newest first, at most `most`; of that request, or of all when `request_id` is empty.
  std::vector<std::string> Find(absl::string_view request_id, size_t most) const;

 private:
  struct Kept {
    std::string request_id;
    std::string line;  // With its end; empty: not filled yet.
  };
  std::vector<Kept> kept_;
  size_t next_ = 0;
};

}  // namespace kith::proxy
