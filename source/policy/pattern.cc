#include "source/policy/pattern.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace kith::policy {
namespace {

constexpr absl::string_view kSegment = "{*}";
constexpr absl::string_view kRest = "{**}";

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

}  // namespace

bool Literal::IsIn(absl::string_view value) const {
  switch (kind) {
    case Kind::kNone:
      return true;
    case Kind::kExact:
      return value == text;
    case Kind::kPrefix:
      return absl::StartsWith(value, text);
    case Kind::kSuffix:
      return absl::EndsWith(value, text);
  }
  return false;
}

Pattern Pattern::Present(absl::string_view written) { return {Kind::kPresent, "", written}; }
Pattern Pattern::Exact(absl::string_view text, absl::string_view written) {
  return {Kind::kExact, text, written};
}
Pattern Pattern::Prefix(absl::string_view text, absl::string_view written) {
  return {Kind::kPrefix, text, written};
}
Pattern Pattern::Suffix(absl::string_view text, absl::string_view written) {
  return {Kind::kSuffix, text, written};
}

Pattern Pattern::Text(absl::string_view text, absl::string_view written) {
  if (text == "*") return Present(written);
  if (absl::ConsumePrefix(&text, "*")) return Suffix(text, written);
  if (absl::ConsumeSuffix(&text, "*")) return Prefix(text, written);
  return Exact(text, written);
}

Pattern Pattern::Glob(absl::string_view written) {
  const size_t stars = static_cast<size_t>(std::count(written.begin(), written.end(), '*'));
  const bool at_an_end = absl::StartsWith(written, "*") || absl::EndsWith(written, "*");
  if (stars == 0 || (stars == 1 && at_an_end)) return Text(written);
  return {Kind::kGlob, written, written};
}

bool Pattern::IsTemplate(absl::string_view written) {
  return absl::StrContains(written, kSegment) || absl::StrContains(written, kRest);
}

absl::StatusOr<Pattern> Pattern::Template(absl::string_view written, TemplateBytes bytes) {
  if (!absl::StartsWith(written, "/")) {
    return absl::InvalidArgumentError("a path template begins with \"/\"");
  }
  bool rest_seen = false;
  for (absl::string_view segment : absl::StrSplit(written.substr(1), '/')) {
    if (segment == kSegment || segment == kRest) {
      if (rest_seen) {
        return absl::InvalidArgumentError("nothing but plain text may follow {**}");
      }
      rest_seen = segment == kRest;
      continue;
    }
    if (segment.find_first_of("{}") != absl::string_view::npos) {
      return absl::InvalidArgumentError(
          "\"{\" and \"}\" mean something only as {*} or {**}, which fill a whole segment");
    }
    if (absl::StrContains(segment, '*')) {
      return absl::InvalidArgumentError("beside {*} and {**} a \"*\" means nothing");
    }
  }
  Pattern pattern(Kind::kTemplate, written, written);
  pattern.bytes_ = bytes;
  return pattern;
}

bool Pattern::Matches(absl::string_view value) const {
  switch (kind_) {
    case Kind::kPresent:
      return !value.empty();
    case Kind::kSuffix:
    case Kind::kPrefix:
    case Kind::kExact:
      return literal().IsIn(value);
    case Kind::kGlob:
      return MatchesGlob(text_, value);
    case Kind::kTemplate:
      return MatchesTemplate(value);
  }
  return false;
}

bool Pattern::IsTemplateByte(char c) const {
  if (bytes_ == TemplateBytes::kAny) return true;
  return absl::ascii_isalnum(c) || absl::StrContains("._~%!$&'()+,;:@=*-", c);
}

bool Pattern::MatchesTemplate(absl::string_view value) const {
  absl::string_view rest = text_;
  while (!rest.empty()) {
    if (absl::ConsumePrefix(&rest, kSegment)) {
      const size_t end = std::min(value.find('/'), value.size());
      if (end == 0) return false;
      for (const char c : value.substr(0, end)) {
        if (!IsTemplateByte(c)) return false;
      }
      value.remove_prefix(end);
    } else if (absl::ConsumePrefix(&rest, kRest)) {
      if (!absl::ConsumeSuffix(&value, rest)) return false;
      return std::all_of(value.begin(), value.end(),
                         [this](char c) { return c == '/' || IsTemplateByte(c); });
    } else {
      const absl::string_view literal = rest.substr(0, rest.find('{'));
      if (!absl::ConsumePrefix(&value, literal)) return false;
      rest.remove_prefix(literal.size());
    }
  }
  return value.empty();
}

Literal Pattern::literal() const {
  switch (kind_) {
    case Kind::kPresent:
      return {};
    case Kind::kSuffix:
      return {Literal::Kind::kSuffix, text_};
    case Kind::kPrefix:
      return {Literal::Kind::kPrefix, text_};
    case Kind::kExact:
      return {Literal::Kind::kExact, text_};
    case Kind::kGlob:
    case Kind::kTemplate:
      break;
  }
  const absl::string_view before =
      absl::string_view(text_).substr(0, text_.find(kind_ == Kind::kGlob ? '*' : '{'));
  if (before.empty()) return {};
  return {Literal::Kind::kPrefix, before};
}

}  // namespace kith::policy
