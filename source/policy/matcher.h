// How the values of a policy's lists are compared with a connection's or request's attributes. An
// attribute that is missing is given as empty text, which no pattern matches.
// Threads: immutable values. Owns: their patterns. Errors: none; patterns are validated before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace kith::policy {

// "*" matches any non-empty text; a leading "*" any text that ends with the rest; a trailing "*"
// any that begins with what is before it; everything else exactly itself. Tried in this order,
// bytes are compared, and any further "*" is an ordinary character.
class StringMatcher {
 public:
  explicit StringMatcher(absl::string_view pattern);

  bool Matches(absl::string_view value) const;

  // Whether it matches the path that a server sees who drops parameters (";name=value") from path
  // segments: each segment cut at its first ";", and the same again without the segments that the
  // cut left empty or ".", which such servers remove. False for a path without parameters.
  bool MatchesWithoutParameters(absl::string_view path) const;

 private:
  enum class Kind : uint8_t { kPresent, kSuffix, kPrefix, kExact };

  Kind kind_;
  std::string text_;
};

// Whether `pattern`, in which every "*" stands for any text, also none, matches the whole of a
// non-empty `text`.
bool MatchesGlob(absl::string_view pattern, absl::string_view text);

// The namespace that a SPIFFE ID's path names: "/ns/<namespace>/" and more. Empty otherwise.
absl::string_view NamespaceOfPath(absl::string_view path);

}  // namespace kith::policy
