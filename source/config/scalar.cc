#include "source/config/scalar.h"

#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/config/text.h"

namespace kith::config {
namespace {

absl::Status Wrong(absl::string_view message) { return absl::InvalidArgumentError(message); }

absl::Status NeedsScalar(const Node& node, absl::string_view wanted) {
  if (node.kind == Node::Kind::kScalar) return absl::OkStatus();
  if (node.kind == Node::Kind::kNull) return Wrong(absl::StrCat("needs ", wanted, ", is empty"));
  return Wrong(absl::StrCat("needs ", wanted, ", found ", Describe(node)));
}

bool AllDigits(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return !text.empty();
}

bool IsDecimal(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  return AllDigits(text) && (text.size() == 1 || text[0] != '0');
}

// Hexadecimal, octal, binary and decimal integers, digits grouped by underscores included.
bool LooksLikeInteger(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "-")) absl::ConsumePrefix(&text, "+");
  if (text.empty() || !absl::ascii_isdigit(text[0])) return false;
  const bool prefixed =
      text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b');
  const bool hexadecimal = prefixed && text[1] == 'x';
  if (prefixed) text.remove_prefix(2);
  for (const char c : text) {
    if (c != '_' && !(hexadecimal ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c))) return false;
  }
  return true;
}

bool LooksLikeFloat(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "-")) absl::ConsumePrefix(&text, "+");
  if (absl::EqualsIgnoreCase(text, ".inf") || absl::EqualsIgnoreCase(text, ".nan")) return true;
  // Words that SimpleAtod knows and YAML does not, such as "infinity", are text.
  if (text.find_first_of("0123456789") == absl::string_view::npos) return false;
  if (text.find_first_not_of("0123456789.eE+-") != absl::string_view::npos) return false;
  double ignored;
  return absl::SimpleAtod(text, &ignored);
}

// Checks that `node` is a plain decimal integer.
absl::Status CheckInteger(const Node& node, absl::string_view wanted) {
  if (absl::Status status = NeedsScalar(node, wanted); !status.ok()) return status;
  if (IsDecimal(node.text)) {
    if (node.plain) return absl::OkStatus();
    return Wrong(absl::StrCat("needs ", wanted, "; remove the quotes: ", node.text.substr(0, 32)));
  }
  return Wrong(absl::StrCat("needs ", wanted, " in decimal digits, found ", Quote(node.text)));
}

}  // namespace

Meaning MeaningOf(absl::string_view plain) {
  for (const absl::string_view word : {"true", "false", "yes", "no", "on", "off"}) {
    if (absl::EqualsIgnoreCase(plain, word)) return Meaning::kBoolean;
  }
  return LooksLikeInteger(plain) || LooksLikeFloat(plain) ? Meaning::kNumber : Meaning::kText;
}

absl::StatusOr<std::string> ReadString(const Node& node) {
  if (absl::Status status = NeedsScalar(node, "a string"); !status.ok()) return status;
  if (!node.plain || MeaningOf(node.text) == Meaning::kText) return node.text;
  return Wrong(absl::StrCat("needs a string, found a ",
                            MeaningOf(node.text) == Meaning::kBoolean ? "boolean" : "number",
                            "; put it in quotes: ", Quote(node.text)));
}

absl::StatusOr<std::string> ReadBytes(const Node& node) {
  if (absl::Status status = NeedsScalar(node, "base64 text"); !status.ok()) return status;
  std::string bytes;
  if (!absl::Base64Unescape(node.text, &bytes)) return Wrong("not base64");
  return bytes;
}

absl::StatusOr<bool> ReadBool(const Node& node) {
  if (absl::Status status = NeedsScalar(node, "true or false"); !status.ok()) return status;
  if (node.text == "true" || node.text == "false") {
    if (node.plain) return node.text == "true";
    return Wrong(absl::StrCat("needs true or false; remove the quotes: ", node.text));
  }
  return Wrong(absl::StrCat("needs true or false, found ", Quote(node.text)));
}

absl::StatusOr<double> ReadDouble(const Node& node) {
  if (absl::Status status = NeedsScalar(node, "a number"); !status.ok()) return status;
  double value;
  if (!node.plain || MeaningOf(node.text) != Meaning::kNumber ||
      !absl::SimpleAtod(node.text, &value) || !std::isfinite(value)) {
    return Wrong(absl::StrCat("needs a finite number without quotes, found ", Quote(node.text)));
  }
  return value;
}

absl::StatusOr<absl::Duration> ReadDuration(const Node& node) {
  constexpr absl::string_view kWanted = "a duration such as \"90s\", \"1h30m\" or \"500ms\"";
  if (absl::Status status = NeedsScalar(node, kWanted); !status.ok()) return status;
  absl::Duration value;
  if (!absl::ParseDuration(node.text, &value)) {
    const bool bare = MeaningOf(node.text) == Meaning::kNumber;
    return Wrong(
        absl::StrCat("needs ", kWanted, ", found ", Quote(node.text), bare ? "; which unit?" : ""));
  }
  // protobuf's own bound for a Duration, about 10,000 years.
  if (value < absl::ZeroDuration() || value > absl::Seconds(315'576'000'000)) {
    return Wrong(
        absl::StrCat("out of range: ", Quote(node.text), "; must be finite and not negative"));
  }
  return value;
}

absl::StatusOr<int64_t> ReadInt(const Node& node, int64_t min, int64_t max) {
  if (absl::Status status = CheckInteger(node, "an integer"); !status.ok()) return status;
  int64_t value;
  if (!absl::SimpleAtoi(node.text, &value) || value < min || value > max) {
    return Wrong(absl::StrCat("out of range: ", node.text.substr(0, 32), "; must be between ", min,
                              " and ", max));
  }
  return value;
}

absl::StatusOr<uint64_t> ReadUint(const Node& node, uint64_t max) {
  if (absl::Status status = CheckInteger(node, "an integer"); !status.ok()) return status;
  uint64_t value;
  if (!absl::SimpleAtoi(node.text, &value) || value > max) {
    return Wrong(
        absl::StrCat("out of range: ", node.text.substr(0, 32), "; must be between 0 and ", max));
  }
  return value;
}

}  // namespace kith::config
