// Why bytes were refused as HTTP/1.1: a closed list, each with a name for metrics, a sentence for
// people and the status a server answers with.
// Threads: any. Owns: nothing. Errors: these are they.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::http {

enum class ParseError : uint8_t {
  kNone,
  kBadRequestLine,
  kBadVersion,
  kBadMethod,
  kBadTarget,
  kTargetTooLong,
  kBadStatusLine,
  kBadHeaderName,
  kBadHeaderValue,
  kObsFold,
  kBareCrOrLf,
  kHeadTooLarge,
  kTooManyHeaders,
  kMissingHost,
  kDuplicateHost,
  kBadHost,
  kHostMismatch,
  kBadConnection,
  kBadContentLength,
  kDuplicateContentLength,
  kConflictingLength,
  kBadTransferEncoding,
  kUnsupportedTransferEncoding,
  kBodyNotAllowed,
  kBadChunk,
  kTrailersTooLarge,
  kUnexpectedResponse,
  kUnexpectedUpgrade,
  kTooManyInterimResponses,
  kTruncated,
};
inline constexpr int kParseErrorCount = static_cast<int>(ParseError::kTruncated) + 1;

// "bad_header_name": the value of a metric's label. "none" for kNone.
absl::string_view ToString(ParseError error);
// What is wrong, in words that hold for any message: no byte of the peer is quoted.
absl::string_view Describe(ParseError error);
// What a server answers a request with: 400, 414, 431, 501 or 505.
int HttpStatus(ParseError error);

// INVALID_ARGUMENT with Describe() and the error itself as a payload; OK for kNone.
absl::Status ToStatus(ParseError error);
// The payload of such a status; kNone when it has none.
ParseError FromStatus(const absl::Status& status);

}  // namespace kith::http
