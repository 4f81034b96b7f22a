// The little of protobuf's wire format that one unary call of the data path needs, so that no
// generated message and no reflection stands on it.
// Threads: one at a time. Owns: a Writer its bytes; a Reader borrows them.
// Errors: Reader::Next() is false at the end and at bytes that are no message; failed() tells them
// apart.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace kith::extauthz {

class Writer {
 public:
  // Fields of proto3: what is zero or empty is left out.
  void Number(uint32_t field, uint64_t value);
  void Bytes(uint32_t field, absl::string_view value);
  // A message, though it may be empty.
  void Message(uint32_t field, const Writer& message);

  const std::string& bytes() const { return bytes_; }

 private:
  void Varint(uint64_t value);

  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}

  // Goes to the next field.
  bool Next();
  bool failed() const { return failed_; }

  uint32_t field() const { return field_; }
  // Whether the field is length-delimited; the other accessors are zero or empty otherwise.
  bool is_bytes() const { return is_bytes_; }
  absl::string_view bytes() const { return bytes_; }
  uint64_t number() const { return number_; }

 private:
  bool Varint(uint64_t& value);
  bool Fail();

  absl::string_view rest_;
  bool failed_ = false;
  bool is_bytes_ = false;
  uint32_t field_ = 0;
  uint64_t number_ = 0;
  absl::string_view bytes_;
};

// Whether protobuf would take it for a string.
bool IsUtf8(absl::string_view text);

}  // namespace kith::extauthz
