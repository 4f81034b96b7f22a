// One request and its response between a downstream connection and the leg behind it. An HTTP/1.1
// connection implements the leg now; a stream of a multiplexed link is another.
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
  telemetry::Reason reason = telemetry::Reason::kNone;
  std::string detail;
  // The connection had served before and ended before any byte of this response: the other side may
  // have closed it as idle at that very moment.
  bool stale_connection = false;
};

// The downstream side: what the response reaches. Exactly one of OnResponseComplete() and
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

// The upstream side: what the request goes to.
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
