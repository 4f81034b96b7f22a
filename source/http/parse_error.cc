#include "source/http/parse_error.h"

#include <array>
#include <cstddef>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace kith::http {
namespace {

constexpr absl::string_view kPayloadType = "kith.dev/http.ParseError";

struct Entry {
  ParseError error;
  absl::string_view name;
  int status;
  absl::string_view description;
};

using E = ParseError;
constexpr std::array<Entry, kParseErrorCount> kEntries = {{
    {E::kNone, "none", 200, "no error"},
    {E::kBadRequestLine, "bad_request_line", 400,
     "the request line is not 'METHOD target HTTP/1.1' with single spaces"},
    {E::kBadVersion, "bad_version", 505, "the version is neither HTTP/1.1 nor HTTP/1.0"},
    {E::kBadMethod, "bad_method", 400, "the method is not a token in upper case"},
    {E::kBadTarget, "bad_target", 400,
     "the target is not a path, an http URL, or what its method allows"},
    {E::kTargetTooLong, "target_too_long", 414, "the request line exceeds the limit of a head"},
    {E::kBadStatusLine, "bad_status_line", 400,
     "the status line is not 'HTTP/1.1 NNN reason' with a status from 100 to 599"},
    {E::kBadHeaderName, "bad_header_name", 400,
     "a header's name is empty, not a token, or not directly followed by a colon"},
    {E::kBadHeaderValue, "bad_header_value", 400, "a header's value holds a control character"},
    {E::kObsFold, "obs_fold", 400, "a header is continued on a second line"},
    {E::kBareCrOrLf, "bare_cr_or_lf", 400, "a line does not end with CR LF"},
    {E::kHeadTooLarge, "head_too_large", 431, "the head exceeds the limit"},
    {E::kTooManyHeaders, "too_many_headers", 431, "there are more headers than the limit"},
    {E::kMissingHost, "missing_host", 400, "the Host header is missing or empty"},
    {E::kDuplicateHost, "duplicate_host", 400, "there is more than one Host header"},
    {E::kBadHost, "bad_host", 400, "the Host header is not a host name or address"},
    {E::kHostMismatch, "host_mismatch", 400, "the target and the Host header name different hosts"},
    {E::kBadConnection, "bad_connection", 400,
     "the Connection header is malformed or nominates an end-to-end header"},
    {E::kBadContentLength, "bad_content_length", 400, "Content-Length is not a decimal number"},
    {E::kDuplicateContentLength, "duplicate_content_length", 400,
     "there is more than one Content-Length header"},
    {E::kConflictingLength, "conflicting_length", 400,
     "there are both Content-Length and Transfer-Encoding"},
    {E::kBadTransferEncoding, "bad_transfer_encoding", 400,
     "Transfer-Encoding is repeated, empty, or in an HTTP/1.0 message"},
    {E::kUnsupportedTransferEncoding, "unsupported_transfer_encoding", 501,
     "Transfer-Encoding is not exactly 'chunked'"},
    {E::kBodyNotAllowed, "body_not_allowed", 400,
     "a body is announced where the method or status allows none"},
    {E::kBadChunk, "bad_chunk", 400, "a chunk's size or end is malformed"},
    {E::kTrailersTooLarge, "trailers_too_large", 431, "the trailers exceed the limit"},
    {E::kUnexpectedResponse, "unexpected_response", 400, "bytes came that no request asked for"},
    {E::kUnexpectedUpgrade, "unexpected_upgrade", 400,
     "101 came although the request offered no upgrade"},
    {E::kTooManyInterimResponses, "too_many_interim_responses", 400,
     "there are more 1xx responses than the limit"},
    {E::kTruncated, "truncated", 400, "the connection ended inside a message"},
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kEntries.size(); ++i) {
    if (static_cast<size_t>(kEntries[i].error) != i) return false;
  }
  return true;
}
static_assert(InOrder(), "an entry's position is its error's number");

const Entry& EntryOf(ParseError error) { return kEntries[static_cast<size_t>(error)]; }

}  // namespace

absl::string_view ToString(ParseError error) { return EntryOf(error).name; }
absl::string_view Describe(ParseError error) { return EntryOf(error).description; }
int HttpStatus(ParseError error) { return EntryOf(error).status; }

absl::Status ToStatus(ParseError error) {
  if (error == ParseError::kNone) return absl::OkStatus();
  absl::Status status = absl::InvalidArgumentError(absl::StrCat("HTTP/1.1: ", Describe(error)));
  status.SetPayload(kPayloadType, absl::Cord(ToString(error)));
  return status;
}

ParseError FromStatus(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadType);
  if (!payload.has_value()) return ParseError::kNone;
  for (const Entry& entry : kEntries) {
    if (*payload == entry.name) return entry.error;
  }
  return ParseError::kNone;
}

}  // namespace kith::http
