// One request and its response between an exchange (exchange.h) and what carries them upstream: an
// HTTP/1.1 connection or a stream of a multiplexed one.
// Threads: the worker's loop. Owns: nothing; both sides borrow each other until the exchange ends.
// Errors: ResponseSink::OnResponseFailed().
#pragma once

#include <string>

#include "absl/types/span.h"
#include "source/http/message.h"
#include "source/proxy/stored_request.h"
#include "source/telemetry/reason.h"

namespace kith::proxy {

// Why an exchange broke. `detail` is for logs, never for a response body.
struct Failure {
  // Whether the request may be sent once more, elsewhere.
  enum class Repeat : uint8_t {
    kNever,
    // No byte of the response came, but the request may have been processed: only what can be
    // repeated without harm (StoredRequest::CanBeRepeated()).
    kIfIdempotent,
    // The other side says that it has not looked at the request: any method, but not at once, as
    // it has refused it.
    kRefused,
    // It was on a connection that had ended for new requests: any method, over another one.
    kUnseen,
  };
  telemetry::Reason reason = telemetry::Reason::kNone;
  std::string detail;
  Repeat repeat = Repeat::kNever;
  // It met a connection that was just ending, which says nothing of the endpoint.
  bool connection_ended = false;
};

// Where the response goes. Exactly one of OnResponseComplete() and
// OnResponseFailed() ends the exchange; after it, the leg is not touched again.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  virtual void OnResponseHead(const http::ResponseHead& head) = 0;  // Also 1xx.
  virtual void OnResponseBody(absl::Span<const uint8_t> bytes) = 0;
  virtual void OnResponseTrailers(absl::Span<const http::Header> trailers) = 0;
  virtual void OnResponseComplete() = 0;
  virtual void OnResponseFailed(const Failure& failure) = 0;
  // The request's body, once held back by write_blocked(), may flow again.
  virtual void OnRequestDrained() = 0;
};

// Where the request goes.
class RequestLeg {
 public:
  virtual ~RequestLeg() = default;
  virtual void SendHead(const StoredRequest& request, ResponseSink& sink) = 0;
  virtual void SendBody(absl::Span<const uint8_t> bytes) = 0;
  virtual void SendEnd(absl::Span<const http::Header> trailers) = 0;
  virtual bool write_blocked() const = 0;
  virtual void PauseResponse() = 0;
  virtual void ResumeResponse() = 0;
  // The downstream side is gone: ends the exchange without another callback.
  virtual void Abandon() = 0;
};

}  // namespace kith::proxy
