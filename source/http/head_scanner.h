// Cuts the bytes of a start line and headers, or of trailers, into views: one pass, resumable at
// every byte, so that an error does not depend on how the bytes were cut into reads.
// Threads: one at a time. Owns: nothing; views point into the bytes scanned, see Rebase().
// Errors: Result::kError and error().
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "source/http/message.h"
#include "source/http/parse_error.h"

namespace kith::http {

class HeadScanner {
 public:
  enum class Kind : uint8_t { kRequest, kResponse, kTrailers };
  enum class Result : uint8_t { kIncomplete, kComplete, kError };

  // Forgets what was scanned. `headers` is cleared, filled and borrowed until the end.
  void Start(Kind kind, size_t max_headers, std::vector<Header>& headers);

  // Goes on at `cursor` and leaves it after the last byte taken: after the empty line when
  // complete.
  Result Scan(const char*& cursor, const char* end);

  // The bytes scanned so far are now at `to`, no longer at `from`; both must still exist.
  void Rebase(const char* from, const char* to);

  bool in_start_line() const { return state_ < State::kLineLf; }
  ParseError error() const { return error_; }

  absl::string_view method() const { return first_; }
  absl::string_view target() const { return second_; }
  absl::string_view reason() const { return second_; }
  int status() const { return status_; }
  int version_minor() const { return version_[1]; }

 private:
  // Those of the start line come first.
  enum class State : uint8_t {
    kRequestStart,
    kEmptyLineLf,
    kMethod,
    kTarget,
    kVersion,
    kStatus,
    kReason,
    kLineLf,
    kLineStart,
    kName,
    kValueStart,
    kValue,
    kEndLf,
  };

  Result Fail(ParseError error);
  ParseError TakeMethod(const char*& p, const char* end);
  ParseError TakeTarget(const char*& p, const char* end);
  ParseError TakeVersion(char c);
  ParseError TakeStatus(char c);
  ParseError TakeReason(const char*& p, const char* end);
  ParseError StartLine(const char* p);
  ParseError TakeName(const char*& p, const char* end);
  ParseError TakeValue(const char*& p, const char* end);

  Kind kind_ = Kind::kRequest;
  State state_ = State::kRequestStart;
  ParseError error_ = ParseError::kNone;
  uint8_t index_ = 0;  // Inside the version or the status.
  uint8_t version_[2] = {0, 0};
  bool skipped_empty_line_ = false;
  int status_ = 0;
  size_t max_headers_ = 0;
  const char* token_ = nullptr;  // Where the part being scanned begins.
  absl::string_view first_;
  absl::string_view second_;
  absl::string_view name_;
  std::vector<Header>* headers_ = nullptr;
};

}  // namespace kith::http
