// The results of `kithctl check`: one line a check, in categories, each that is not good with what
// to do about it.
// Threads: one at a time. Owns: its lines. Errors: none; what is wrong is a line.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace kith::ctl {

class CheckList {
 public:
  enum class Outcome : uint8_t { kGood, kWarning, kBad };
  enum class Marks : uint8_t { kUnicode, kAscii };  // For terminals that have them, and others.

  // Those that follow are of this category.
  void Begin(std::string category) { category_ = std::move(category); }
  // `what` is a statement that holds when the check is good; `detail` what was seen; `hint` what to
  // do.
  void Good(std::string what, std::string detail = "");
  void Warn(std::string what, std::string detail, std::string hint);
  void Bad(std::string what, std::string detail, std::string hint);

  bool any_bad() const;
  std::string ToText(Marks marks) const;
  nlohmann::json ToJson() const;

 private:
  struct Line {
    Outcome outcome;
    std::string category, what, detail, hint;
  };
  size_t Count(Outcome outcome) const;

  std::string category_;
  std::vector<Line> lines_;
};

// Unicode where standard output is a terminal and the locale's encoding is UTF-8.
CheckList::Marks MarksOfOutput();

}  // namespace kith::ctl
