// Appends JSON to a string: for log lines and command output, where order and cost matter.
// Threads: one at a time. Owns: nothing; the string is borrowed.
// Errors: none. Bytes that are not UTF-8 become the escape \ufffd, control characters their escape,
// so a peer cannot break a line.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace kith::base {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(absl::string_view key);
  JsonWriter& String(absl::string_view value);
  JsonWriter& Int(int64_t value);
  JsonWriter& Uint(uint64_t value);
  JsonWriter& Double(double value);  // null for an infinity or NaN: JSON has no word for them.
  JsonWriter& Bool(bool value);
  JsonWriter& Null();

 private:
  void Separate();

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace kith::base
