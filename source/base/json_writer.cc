#include "source/base/json_writer.h"

#include <charconv>
#include <cmath>

namespace kith::base {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void AppendEscape(std::string& out, uint32_t code_point) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(code_point >> shift) & 0xf];
}

// Decodes the sequence at the start of `text`, whose first byte is above 0x7f. Returns its length,
// or 0 if it is not UTF-8: cut short, overlong, a surrogate, or beyond U+10FFFF.
size_t DecodeUtf8(absl::string_view text, uint32_t& code_point) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : byte(0) >= 0xc0 ? 2 : 0;
  if (length == 0 || text.size() < length || byte(0) > 0xf4) return 0;
  code_point = byte(0) & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code_point = code_point << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code_point < kSmallest[length] || code_point > 0x10ffff) return 0;
  if (code_point >= 0xd800 && code_point <= 0xdfff) return 0;
  return length;
}

// Valid UTF-8 that some reader takes for the end of a line or a command to the terminal.
bool NeedsEscape(uint32_t code_point) {
  return (code_point >= 0x7f && code_point <= 0x9f) || code_point == 0x2028 || code_point == 0x2029;
}

// How many bytes at the start of `text` stand for themselves.
size_t PlainPrefix(absl::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const uint8_t byte = static_cast<uint8_t>(text[length]);
    if (byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\') break;
    ++length;
  }
  return length;
}

void AppendQuoted(std::string& out, absl::string_view text) {
  out += '"';
  while (true) {
    const size_t plain = PlainPrefix(text);
    out.append(text.data(), plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    uint8_t first = static_cast<uint8_t>(text[0]);
    size_t length = 1;
    if (first == '"' || first == '\\') {
      out += '\\';
      out += text[0];
    } else if (first == '\n') {
      out += "\\n";
    } else if (first == '\t') {
      out += "\\t";
    } else if (first == '\r') {
      out += "\\r";
    } else if (first < 0x20 || first == 0x7f) {
      AppendEscape(out, first);
    } else {
      uint32_t code_point = 0;
      length = DecodeUtf8(text, code_point);
      if (length == 0) {
        out += "\\ufffd";
        length = 1;
      } else if (NeedsEscape(code_point)) {
        AppendEscape(out, code_point);
      } else {
        out.append(text.data(), length);
      }
    }
    text.remove_prefix(length);
  }
  out += '"';
}

template <typename Number>
void AppendNumber(std::string& out, Number value) {
  char digits[32];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, static_cast<size_t>(end - digits));
}

}  // namespace

void JsonWriter::Separate() {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
}

JsonWriter& JsonWriter::BeginObject() {
  Separate();
  out_ += '{';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  out_ += '}';
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::BeginArray() {
  Separate();
  out_ += '[';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::EndArray() {
  out_ += ']';
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(absl::string_view key) {
  Separate();
  AppendQuoted(out_, key);
  out_ += ':';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::String(absl::string_view value) {
  Separate();
  AppendQuoted(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Int(int64_t value) {
  Separate();
  AppendNumber(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Uint(uint64_t value) {
  Separate();
  AppendNumber(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Double(double value) {
  if (!std::isfinite(value)) return Null();
  Separate();
  AppendNumber(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) {
  Separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::Null() {
  Separate();
  out_ += "null";
  return *this;
}

}  // namespace kith::base
