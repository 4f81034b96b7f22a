// A strict, incremental HTTP/1.1 parser (RFC 9112): bytes in, heads and body pieces out. It accepts
// one reading of a message only, so that what is authorized here is what the application sees.
// Threads: one at a time. Not to be fed or destroyed inside one of its own callbacks.
// Owns: a copy of a head that arrives in pieces, freed once delivered; the handler is borrowed. A
// head that lies whole in the bytes fed is not copied: views point into those bytes.
// Errors: INVALID_ARGUMENT carrying a ParseError (also error()). After one, every Feed() repeats
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "source/http/head_rules.h"
#include "source/http/head_scanner.h"
#include "source/http/message.h"
#include "source/http/parse_error.h"

namespace kith::http {

// What a parser calls. A parser of requests never calls OnResponseHead, and the other way round.
class Http1Handler {
 public:
  virtual ~Http1Handler() = default;
  virtual void OnRequestHead(const RequestHead&) {}
  // Also for 1xx: then another head follows before the message is complete.
  virtual void OnResponseHead(const ResponseHead&) {}
  virtual void OnBody(absl::Span<const uint8_t> bytes) = 0;
  // Only when a chunked body ended with trailers that may be passed on.
  virtual void OnTrailers(absl::Span<const Header>) {}
  virtual void OnMessageComplete() = 0;
};

class Http1Parser {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };
  struct Options {
    size_t max_head_bytes = size_t{32} * 1024;    // Start line and headers; 431 or 414 above.
    size_t max_headers = 100;                     // Also of trailers.
    size_t max_trailer_bytes = size_t{8} * 1024;  // After the last chunk.
    int max_interim_responses = 16;               // 1xx heads for one request.
  };

  Http1Parser(Kind kind, Http1Handler& handler, const Options& options);
  Http1Parser(Kind kind, Http1Handler& handler) : Http1Parser(kind, handler, Options()) {}
  Http1Parser(const Http1Parser&) = delete;
  Http1Parser& operator=(const Http1Parser&) = delete;

  // Takes bytes until they are used up, a message is complete, or the handler called Pause().
  // Returns how many were taken: the rest is the caller's, for the next Feed() or, after CONNECT or
  // an upgrade, for whoever speaks next. After a pause, Feed() with what is left, even if that is
  // nothing, goes on where it stopped.
  absl::StatusOr<size_t> Feed(absl::Span<const uint8_t> bytes);

  // Inside a callback: Feed() returns once the callback does.
  void Pause() { paused_ = true; }

  // Responses only: what the next response answers. Without it a response is an error, so a peer
  // cannot speak out of turn.
  void ExpectResponse(const ResponseContext& context);

  // The peer ended the connection. Completes a body that lasts until then; OK between messages;
  // otherwise kTruncated.
  absl::Status FinishOnEof();

  // No byte of a message has been taken since the last one was complete.
  bool idle() const;
  // Inside a request's or response's body or trailers: its head has been delivered.
  bool in_body() const { return state_ != State::kHead && state_ != State::kFailed; }
  ParseError error() const { return error_; }

 private:
  enum class State : uint8_t {
    kHead,
    kLength,
    kUntilClose,
    kChunkSize,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailers,
    kComplete,  // Everything is delivered but OnMessageComplete().
    kFailed,
  };

  void StartHead();
  void StartTrailers();
  bool ScanHead(const char*& cursor, const char* end);
  void Gather(const char* bytes, size_t size);
  void DeliverHead();
  void DeliverTrailers();
  void TakeBody(const char*& cursor, const char* end);
  void TakeChunkSize(const char*& cursor, const char* end);
  void TakeChunkDelimiter(const char*& cursor);
  void StartBody(const Framing& framing);
  void Fail(ParseError error);

  const Kind kind_;
  State state_ = State::kHead;
  ParseError error_ = ParseError::kNone;
  bool paused_ = false;
  bool response_expected_ = false;
  ResponseContext context_;
  Http1Handler& handler_;
  const Options options_;
  HeadScanner scanner_;
  std::vector<char> gathered_;  // A head or trailers that came in pieces, from their first byte.
  size_t section_bytes_ = 0;    // Of the head or trailers so far.
  uint64_t remaining_ = 0;      // Of the body or the chunk.
  int chunk_digits_ = 0;
  int interim_responses_ = 0;
  RequestHead request_;
  ResponseHead response_;
};

}  // namespace kith::http
