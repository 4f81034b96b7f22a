// A two-way byte stream as the proxy sees it: TCP or UNIX (net/socket_stream.h), or TLS over one of
// them (tls/tls_stream.h).
// Threads: every call and every callback on the stream's loop.
// Owns: see the implementations. The handler is borrowed and must outlive the stream or be
// replaced. A stream is never destroyed inside one of its own callbacks: its owner goes to
// Loop::DeleteLater(). Errors: OnClosed() carries OK after both sides ended, UNAVAILABLE on a reset
// or a failed write, and what a TLS layer found wrong. It says where, e.g. "read 10.0.0.7:8080:
// connection reset by peer".
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/base/byte_chain.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"

namespace kith::net {

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;

  // Bytes arrived; they are valid until the call returns, and all of them are taken. A handler that
  // has enough calls PauseReading(); the stream then delivers nothing more until ResumeReading().
  virtual void OnData(absl::Span<const uint8_t> bytes) = 0;
  // The peer will send no more. Writing is still possible.
  virtual void OnEnd() = 0;
  // The stream is dead, no callback follows. Not called after Close().
  virtual void OnClosed(absl::Status status) = 0;
  // Buffered output, once above high_watermark(), has drained below half of it.
  virtual void OnDrained() = 0;
};

class Stream : public event::Deletable {
 public:
  // Not counted against a limit, only against manners: above it a writer stops reading its source.
  static constexpr size_t kHighWatermark = size_t{256} * 1024;

  virtual void SetHandler(StreamHandler* handler) = 0;

  // Reading starts with the first ResumeReading().
  virtual void ResumeReading() = 0;
  virtual void PauseReading() = 0;

  // Output is gathered and sent once at the end of the loop's turn. Ignored once closed.
  virtual void Write(absl::Span<const uint8_t> bytes) = 0;
  virtual void Write(base::ByteChain&& bytes) = 0;
  void Write(absl::string_view text) {
    Write(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  }

  // Half-close after everything written so far has been sent.
  virtual void EndWriting() = 0;
  // Sends what is buffered and the end, throws away what still arrives, and closes once the peer
  // has ended too or a bounded time has passed; no callback follows. The stream may be destroyed at
  // once.
  virtual void CloseAfterFlush() = 0;
  // Drops what is buffered and closes now; no callback follows. After Reset() the peer sees RST.
  virtual void Close() = 0;
  virtual void Reset() = 0;

  virtual size_t buffered_output() const = 0;
  bool write_blocked() const { return buffered_output() > kHighWatermark; }
  // Bytes moved over the wire so far (for TLS: of its records).
  virtual uint64_t bytes_received() const = 0;
  virtual uint64_t bytes_sent() const = 0;
  virtual const base::SocketAddress& remote() const = 0;
  virtual const base::SocketAddress& local() const = 0;
  virtual event::Loop& loop() = 0;
};

}  // namespace kith::net
