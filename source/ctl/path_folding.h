// Paths that were seen, as the fewest patterns of an AuthorizationPolicy that a person would write:
// what looks like an id, and a place in the path where many values were seen, become "{*}".
// Threads: one. Owns: what it was given. Errors: none; a path that no template can say exactly
// becomes a prefix.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace kith::ctl {

class PathFolding {
 public:
  // A place with more than `most` distinct values is folded.
  explicit PathFolding(size_t most) : most_(most) {}

  void Add(absl::string_view path);
  // After the last Add(), before Pattern().
  void Fold();
  // Matches `path`, which was added.
  std::string Pattern(absl::string_view path) const;

  // A number, a UUID, a digest, or a long text with digits and letters.
  static bool IsId(absl::string_view segment);

 private:
  struct Place {
    std::map<std::string, std::unique_ptr<Place>, std::less<>> next;
  };
  static void Merge(Place& from, Place& into);
  void Fold(Place& place);

  const size_t most_;
  Place root_;
};

}  // namespace kith::ctl
