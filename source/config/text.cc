#include "source/config/text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace kith::config {
namespace {

// Bytes of the UTF-8 sequence that `text` starts with, zero when there is none: shortest form, no
// surrogates, at most U+10FFFF.
size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (lead == 0xe0 && byte(1) < 0xa0) return 0;
  if (lead == 0xed && byte(1) > 0x9f) return 0;
  if (lead == 0xf0 && byte(1) < 0x90) return 0;
  if (lead == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

}  // namespace

absl::Status CheckText(absl::string_view text, absl::string_view file) {
  int line = 1;
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte == '\n') ++line;
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s:%d: control character 0x%02x; is this a text file?", std::string(file), line, byte));
    }
    const size_t length = SequenceLength(text.substr(at));
    if (length == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ":", line, ": not UTF-8; save the file in that encoding"));
    }
    at += length;
  }
  return absl::OkStatus();
}

bool IsValue(absl::string_view value) {
  while (!value.empty()) {
    const size_t length = value[0] == '\0' ? 0 : SequenceLength(value);
    if (length == 0) return false;
    value.remove_prefix(length);
  }
  return true;
}

std::string Quote(absl::string_view value) {
  constexpr size_t kShown = 64;
  size_t shown = std::min(value.size(), kShown);
  // Not in the middle of a character.
  while (shown < value.size() && shown > 0 && (value[shown] & 0xc0) == 0x80) --shown;
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(value.substr(0, shown)),
                      shown < value.size() ? "..." : "", "\"");
}

std::string ShowName(absl::string_view name) {
  const bool simple = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/';
  });
  return simple && !name.empty() && name.size() <= 64 ? std::string(name) : Quote(name);
}

}  // namespace kith::config
