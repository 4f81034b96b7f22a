#include "source/proxy/recent_decisions.h"

namespace kith::proxy {

void RecentDecisions::Add(const telemetry::AccessEntry& entry) {
  if (kept_.empty()) return;
  Kept& slot = kept_[next_];
  next_ = (next_ + 1) % kept_.size();
  slot.request_id.assign(entry.request_id.data(), entry.request_id.size());
  slot.line.clear();
  telemetry::FormatAccessEntry(entry, slot.line);
}

std::vector<std::string> RecentDecisions::Find(absl::string_view request_id, size_t most) const {
  std::vector<std::string> lines;
  for (size_t back = 1; back <= kept_.size() && lines.size() < most; ++back) {
    const Kept& slot = kept_[(next_ + kept_.size() - back) % kept_.size()];
    if (slot.line.empty()) break;
    if (request_id.empty() || slot.request_id == request_id) lines.push_back(slot.line);
  }
  return lines;
}

}  // namespace kith::proxy
