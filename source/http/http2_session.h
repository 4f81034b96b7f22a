// One HTTP/2 connection's frames and streams, in either role: nghttp2 with the checks it leaves
// out, limits on what a peer can make us do and hold, and flow control from end to end. It moves no
// bytes itself: Receive() takes what came, Send() gives what is to go.
// Threads: one at a time. Owns: its streams and their unsent output; handlers are borrowed, a
// stream's until its OnStreamClosed() or Reset().
// Neither Receive() nor Send() may be called, nor the session destroyed, inside a callback.
// Errors: of the connection: Receive() fails, once what Send() gives is sent the connection is to
// be closed. Of one stream: it is reset, and its handler told.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/base/byte_chain.h"
#include "source/http/http2_flood_guard.h"
#include "source/http/http2_head.h"
#include "source/http/message.h"

struct nghttp2_session;

namespace kith::http {

// How a stream ended.
struct Http2Close {
  enum class Cause : uint8_t {
    kComplete,     // Both directions were.
    kReset,        // By either side.
    kUnprocessed,  // The peer says that it has not looked at it: it may be sent again.
    kConnection,   // The connection is gone.
  };
  Cause cause = Cause::kComplete;
  std::string detail;  // For logs.
};

class Http2StreamHandler {
 public:
  virtual ~Http2StreamHandler() = default;
  virtual void OnResponseHead(const ResponseHead&) {}  // Client only; also 1xx.
  // The peer may send as much again once Consume() was called for it.
  virtual void OnStreamBody(absl::Span<const uint8_t> bytes) = 0;
  virtual void OnStreamTrailers(absl::Span<const Header>) {}
  // The peer's message is complete.
  virtual void OnStreamEnd() = 0;
  // Output that was above Http2Session::kHighWatermark is below half of it.
  virtual void OnStreamDrained() = 0;
  // The last callback, also of a stream that ended well.
  virtual void OnStreamClosed(const Http2Close& close) = 0;
};

class Http2Session {
 public:
  enum class Role : uint8_t { kClient, kServer };

  struct Options {
    Role role = Role::kServer;
    size_t max_head_bytes = size_t{32} * 1024;
    size_t max_headers = 128;     // The most of HTTP/1.1, pseudo-headers and what a sidecar adds.
    uint32_t max_streams = 1000;  // That the peer may open.
    // What one stream may have unread: it starts low and doubles for a reader that keeps up.
    int32_t first_stream_window = 64 * 1024;
    int32_t largest_stream_window = 4 * 1024 * 1024;
    // Client only: how many streams the peer takes, as long as it has not said so itself. Those it
    // does not take after all, it refuses unlooked at.
    uint32_t expected_streams = 100;
    // The largest frame that the peer may send. Its data is handed on as it comes, so a large one
    // costs nothing; what it spares is a head and a callback for each 16 KiB.
    uint32_t max_frame_bytes = 16 * 1024;
    // What all streams may have unread before the connection stops too. Streams may grow by half of
    // it together, so that a few which then stop reading do not stop the others.
    int32_t connection_window = 32 * 1024 * 1024;
  };

  class Handler {
   public:
    virtual ~Handler() = default;
    // Server only. Null refuses the stream, unlooked at.
    virtual Http2StreamHandler* OnRequestHead(int32_t stream, const RequestHead& head) = 0;
    // There is something to send.
    virtual void OnHasOutput() = 0;
    // Inside Write(): bytes so many that it is worth calling Send() now, which then takes them from
    // where they lie. What it leaves is copied.
    virtual void OnLargeOutput() {}
    // The peer takes no new streams; those it has are completed.
    virtual void OnPeerDrains() = 0;
    // Something was refused: the value of a metric's label.
    virtual void OnRefused(absl::string_view reason) = 0;
  };

  // Where Send() puts what it has.
  class Output {
   public:
    virtual ~Output() = default;
    // What comes next; the bytes are valid until the call returns.
    virtual void Add(absl::Span<const uint8_t> bytes) = 0;
  };

  // Above it a writer stops reading its source.
  static constexpr size_t kHighWatermark = size_t{256} * 1024;

  Http2Session(const Options& options, base::BlockPool& blocks, Handler& handler);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // `now_ms` is any clock that does not go back; it paces the flood limits.
  absl::Status Receive(absl::Span<const uint8_t> bytes, uint64_t now_ms);
  // Gives about `room` bytes of output: exactly so many where there is enough data, so that TLS
  // cuts full records of it. False when there may be more.
  bool Send(size_t room, Output& out);
  // Nothing more is to be read nor sent.
  bool finished() const;
  // Tells every stream that the connection is gone.
  void CloseAll(const std::string& detail);

  // A request. Its names are in lower case; "complete" when nothing follows the head. Returns the
  // stream, or 0 when this connection can have no more of them.
  enum class Message : uint8_t { kComplete, kGoesOn };
  int32_t SubmitRequest(absl::Span<const Header> fields, Message message,
                        Http2StreamHandler& handler);
  void SubmitInterim(int32_t stream, absl::Span<const Header> fields);
  void SubmitResponse(int32_t stream, absl::Span<const Header> fields, Message message);
  void Write(int32_t stream, absl::Span<const uint8_t> bytes);
  void End(int32_t stream, absl::Span<const Header> trailers);
  size_t buffered_output(int32_t stream) const;
  // So many bytes of OnStreamBody() have left here.
  void Consume(int32_t stream, size_t bytes);

  enum class ResetCode : uint8_t { kNoError, kCancel, kRefused, kInternal, kConnectRefused };
  // Its handler hears nothing more.
  void Reset(int32_t stream, ResetCode code);
  // Likewise, but what was written is sent; a peer that still sends is then asked to stop. One that
  // was not ended is reset.
  void Release(int32_t stream);

  // The peer is asked to open no more streams; then, a round trip later, told that none is taken.
  void AnnounceDrain();
  void FinishDrain();

  size_t streams() const { return streams_.size(); }
  // How many we may open, as the peer says.
  uint32_t stream_limit() const;

 private:
  struct Stream;
  struct Callbacks;
  struct Hooks;

  Stream* Find(int32_t id) const;
  int OnBlockEnd(int32_t id, BlockEnd end);
  void DeliverResponse(Stream& stream, BlockEnd end);
  void DeliverTrailers(Stream& stream);
  void DeliverEnd(int32_t id);
  void RefuseMessage(int32_t id, ParseError error);
  void CloseStream(int32_t id, uint32_t code);
  void Flood(Http2FloodGuard::Kind kind);
  void SettleConnectionWindow();
  void GrowWindow(Stream& stream);
  void Forget(const Stream& stream);
  void Give(absl::Span<const uint8_t> bytes);
  void Lend(Stream& stream, absl::Span<const uint8_t> bytes);
  void StopPeer(int32_t id);
  void Submit(int result);

  const Options options_;
  base::BlockPool& blocks_;
  Handler& handler_;
  nghttp2_session* session_ = nullptr;
  absl::flat_hash_map<int32_t, std::unique_ptr<Stream>> streams_;
  Http2Head block_;  // Of the header block being received: there is one at a time.
  RequestHead request_;
  ResponseHead response_;
  std::vector<Header> trailers_;
  std::vector<int32_t> drained_;  // To be told after Send().
  Output* out_ = nullptr;         // Of Send(), while it runs.
  size_t room_ = 0;               // What is left of its room.
  bool receiving_ = false;        // Receive() is on the stack.
  Http2FloodGuard guard_;
  absl::Status failure_;
  uint64_t now_ms_ = 0;
  size_t unread_ = 0;           // Received and not consumed, of all streams.
  size_t connection_held_ = 0;  // Of it, what the connection's window has not got back.
  size_t grown_ = 0;            // By so much are the streams' windows larger than at first.
};

}  // namespace kith::http
