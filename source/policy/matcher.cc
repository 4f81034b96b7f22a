#include "source/policy/matcher.h"

#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace kith::policy {
namespace {

// What becomes of a segment that is empty or "." once its parameters are gone.
enum class Hollow : uint8_t { kKept, kRemoved };

// The bytes of a path without parameters, piece by piece: nothing is copied.
class ParameterlessPath {
 public:
  ParameterlessPath(absl::string_view path, Hollow hollow) : rest_(path), hollow_(hollow) {}

  // The next piece; false at the end.
  bool Next(absl::string_view& piece) {
    while (!rest_.empty()) {
      const size_t begin = rest_[0] == '/' ? 1 : 0;
      const absl::string_view segment = rest_.substr(0, rest_.find('/', begin));
      rest_.remove_prefix(segment.size());
      piece = segment.substr(0, segment.find(';'));
      if (hollow_ == Hollow::kKept || piece.size() == segment.size()) return true;
      const absl::string_view name = piece.substr(begin);
      if (!name.empty() && name != ".") return true;
      if (rest_.empty()) {
        // The last one leaves its slash: "/a/;x" is a folder.
        piece = piece.substr(0, begin);
        return true;
      }
    }
    return false;
  }

  size_t Length() const {
    ParameterlessPath copy = *this;
    size_t length = 0;
    for (absl::string_view piece; copy.Next(piece);) length += piece.size();
    return length;
  }

 private:
  absl::string_view rest_;
  Hollow hollow_;
};

// Whether the bytes of `path` from `skip` on begin with `wanted`.
bool Continues(ParameterlessPath path, size_t skip, absl::string_view wanted) {
  for (absl::string_view piece; !wanted.empty() && path.Next(piece);) {
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    piece.remove_prefix(skip);
    skip = 0;
    piece = piece.substr(0, wanted.size());
    if (!absl::ConsumePrefix(&wanted, piece)) return false;
  }
  return wanted.empty();
}

}  // namespace

StringMatcher::StringMatcher(absl::string_view pattern) {
  if (pattern == "*") {
    kind_ = Kind::kPresent;
  } else if (absl::ConsumePrefix(&pattern, "*")) {
    kind_ = Kind::kSuffix;
  } else if (absl::ConsumeSuffix(&pattern, "*")) {
    kind_ = Kind::kPrefix;
  } else {
    kind_ = Kind::kExact;
  }
  if (kind_ != Kind::kPresent) text_ = std::string(pattern);
}

bool StringMatcher::Matches(absl::string_view value) const {
  switch (kind_) {
    case Kind::kPresent:
      return !value.empty();
    case Kind::kSuffix:
      return absl::EndsWith(value, text_);
    case Kind::kPrefix:
      return absl::StartsWith(value, text_);
    case Kind::kExact:
      return value == text_;
  }
  return false;
}

bool StringMatcher::MatchesWithoutParameters(absl::string_view path) const {
  if (!absl::StrContains(path, ';')) return false;
  for (const Hollow hollow : {Hollow::kKept, Hollow::kRemoved}) {
    const ParameterlessPath parameterless(path, hollow);
    const size_t length = parameterless.Length();
    if (kind_ == Kind::kPresent) {
      if (length > 0) return true;
      continue;
    }
    if (length < text_.size() || (kind_ == Kind::kExact && length != text_.size())) continue;
    const size_t skip = kind_ == Kind::kSuffix ? length - text_.size() : 0;
    if (Continues(parameterless, skip, text_)) return true;
  }
  return false;
}

bool MatchesGlob(absl::string_view pattern, absl::string_view text) {
  if (text.empty()) return false;
  // Greedy with one point to return to: the last "*" takes one byte more. Linear in practice and
  // never worse than pattern times text.
  size_t p = 0, t = 0;
  size_t star = absl::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

absl::string_view NamespaceOfPath(absl::string_view path) {
  if (!absl::ConsumePrefix(&path, "/ns/")) return {};
  const size_t end = path.find('/');
  if (end == absl::string_view::npos || end + 1 == path.size()) return {};
  return path.substr(0, end);
}

}  // namespace kith::policy
