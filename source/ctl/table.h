// Tables for people: upper-case headings, columns as wide as their widest cell.
// Threads: one at a time. Owns: its cells. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::ctl {

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  // As many cells as there are headings. An empty one is shown as "-".
  void AddRow(std::vector<std::string> cells);
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "43s", "12m30s", "23h59m", "89d4h"; "0s" below a second, with a "-" before it in the past.
std::string ShortDuration(absl::Duration duration);
// How far an RFC 3339 time lies from now: "in 43s", "12m30s ago"; "-" when it is none.
std::string FromNow(absl::string_view rfc3339, absl::Time now);

}  // namespace kith::ctl
