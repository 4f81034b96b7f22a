// One value of a policy's list, as it is compared with an attribute. Bytes are compared; there are
// no regular expressions. A missing attribute is never given to a pattern: it matches none.
// Threads: immutable values. Owns: its text. Errors: only ParseTemplate()'s.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::policy {

// What every text that a pattern matches must contain, for indexes.
struct Literal {
  enum class Kind : uint8_t { kNone, kExact, kPrefix, kSuffix };
  Kind kind = Kind::kNone;
  absl::string_view text;

  bool IsIn(absl::string_view value) const;  // kNone is in every text.
};

class Pattern {
 public:
  // "*": present and not empty; a leading "*": a suffix; a trailing "*": a prefix; else itself.
  // Tried in this order; any further "*" is an ordinary character.
  static Pattern Text(absl::string_view text, absl::string_view written);
  static Pattern Text(absl::string_view written) { return Text(written, written); }
  // Every "*" stands for any text, also none. Matches no empty text.
  static Pattern Glob(absl::string_view written);

  static Pattern Present(absl::string_view written);
  static Pattern Exact(absl::string_view text, absl::string_view written);
  static Pattern Prefix(absl::string_view text, absl::string_view written);
  static Pattern Suffix(absl::string_view text, absl::string_view written);

  // Which bytes "{*}" and "{**}" stand for: those a path is made of (Envoy's set), or all, so that
  // an unlisted byte does not lead around a denial.
  enum class TemplateBytes : uint8_t { kListed, kAny };
  static bool IsTemplate(absl::string_view written);
  // "/a/{*}/b", "/a/{**}". INVALID_ARGUMENT says what is wrong with it.
  static absl::StatusOr<Pattern> Template(absl::string_view written, TemplateBytes bytes);

  bool Matches(absl::string_view value) const;
  bool is_present() const { return kind_ == Kind::kPresent; }

  Literal literal() const;
  // Whether a text that has the literal matches.
  bool is_its_literal() const {
    return kind_ == Kind::kExact || kind_ == Kind::kPrefix || kind_ == Kind::kSuffix;
  }
  // As its author wrote it.
  const std::string& written() const { return written_; }

 private:
  enum class Kind : uint8_t { kPresent, kSuffix, kPrefix, kExact, kGlob, kTemplate };

  Pattern(Kind kind, absl::string_view text, absl::string_view written)
      : kind_(kind), text_(text), written_(written) {}
  bool MatchesTemplate(absl::string_view value) const;
  bool IsTemplateByte(char c) const;

  Kind kind_;
  TemplateBytes bytes_ = TemplateBytes::kListed;
  std::string text_;
  std::string written_;
};

}  // namespace kith::policy
