#include "source/extauthz/wire.h"

#include <cstddef>

namespace kith::extauthz {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

}  // namespace

void Writer::Varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
  bytes_.push_back(static_cast<char>(value));
}

void Writer::Number(uint32_t field, uint64_t value) {
  if (value == 0) return;
  Varint(field << 3 | kVarint);
  Varint(value);
}

void Writer::Bytes(uint32_t field, absl::string_view value) {
  if (value.empty()) return;
  Varint(field << 3 | kLengthDelimited);
  Varint(value.size());
  bytes_.append(value.data(), value.size());
}

void Writer::Message(uint32_t field, const Writer& message) {
  Varint(field << 3 | kLengthDelimited);
  Varint(message.bytes_.size());
  bytes_ += message.bytes_;
}

bool Reader::Fail() {
  failed_ = true;
  rest_ = {};
  return false;
}

bool Reader::Varint(uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool Reader::Next() {
  if (rest_.empty()) return false;
  uint64_t tag = 0;
  if (!Varint(tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return Fail();
  field_ = static_cast<uint32_t>(tag >> 3);
  number_ = 0;
  bytes_ = {};
  is_bytes_ = false;
  uint64_t size = 0;
  switch (tag & 7) {
    case kVarint:
      return Varint(number_) || Fail();
    case kLengthDelimited:
      if (!Varint(size)) return Fail();
      is_bytes_ = true;
      break;
    case kFixed64:
      size = 8;
      break;
    case kFixed32:
      size = 4;
      break;
    default:  // Groups are of another age.
      return Fail();
  }
  if (size > rest_.size()) return Fail();
  if (is_bytes_) bytes_ = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || i + length > text.size()) return false;
    uint32_t code = length == 1 ? first : first & (0x7fu >> length);
    for (size_t j = 1; j < length; ++j) {
      const auto next = static_cast<uint8_t>(text[i + j]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    // Too long a form, half of a pair, or beyond the last.
    if ((length == 3 && code < 0x800) || (length == 4 && code < 0x10000) || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000)) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace kith::extauthz
