// The values of one list: whether any of them matches.
// Threads: immutable; Matches() neither locks nor allocates. Owns: its patterns. Errors: none.
#pragma once

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/policy/literal_index.h"
#include "source/policy/pattern.h"

namespace kith::policy {

class PatternSet {
 public:
  explicit PatternSet(std::vector<Pattern> patterns = {});

  bool Matches(absl::string_view value) const;
  // Whether "*" is among them.
  bool has_present() const { return has_present_; }
  absl::Span<const Pattern> patterns() const { return patterns_; }

 private:
  // A long list's patterns by their literals; those without one are in `others`.
  struct Index {
    LiteralIndex literals;
    std::vector<std::vector<uint32_t>> patterns;  // By literal.
    std::vector<uint32_t> others;
  };

  std::vector<Pattern> patterns_;
  bool has_present_ = false;
  std::shared_ptr<const Index> index_;  // Null for a short list.
};

}  // namespace kith::policy
