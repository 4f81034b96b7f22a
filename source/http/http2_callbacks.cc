#include <algorithm>

#include "absl/types/optional.h"
#include "source/base/check.h"
#include "source/http/http2_session_state.h"

namespace kith::http {

namespace {

// A block that decodes to this many times the limit is an attack on the decoder.
constexpr size_t kBombFactor = 4;

constexpr size_t kFrameHead = 9;
// A frame is not cut shorter than this to fit.
constexpr size_t kLeastFrame = 512;

absl::string_view Text(const uint8_t* bytes, size_t size) {
  return absl::string_view(reinterpret_cast<const char*>(bytes), size);
}

}  // namespace

// What nghttp2 calls. They return its codes, and nothing may be thrown through them.
struct Http2Session::Hooks {
  static Http2Session& Self(void* user) { return *static_cast<Http2Session*>(user); }

  static int OnBeginFrame(nghttp2_session*, const nghttp2_frame_hd* frame, void* user) noexcept {
    using Kind = Http2FloodGuard::Kind;
    Http2Session& self = Self(user);
    absl::optional<Kind> kind;
    switch (frame->type) {
      case NGHTTP2_RST_STREAM:
        kind = Kind::kReset;
        break;
      case NGHTTP2_CONTINUATION:
        kind = Kind::kContinuation;
        break;
      case NGHTTP2_DATA:
        if (frame->length == 0 && (frame->flags & NGHTTP2_FLAG_END_STREAM) == 0) {
          kind = Kind::kEmpty;
        }
        break;
      case NGHTTP2_HEADERS:
        self.guard_.StartHeaderBlock();
        break;
      case NGHTTP2_WINDOW_UPDATE:
      case NGHTTP2_GOAWAY:
        break;
      default:
        kind = Kind::kControl;
    }
    if (!kind || self.guard_.Count(*kind, self.now_ms_)) return 0;
    self.Flood(*kind);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame*, void* user) noexcept {
    Self(user).block_.Clear();
    return 0;
  }

  static int OnHeader(nghttp2_session* session, const nghttp2_frame*, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* user) noexcept {
    Http2Session& self = Self(user);
    self.block_.Add(Text(name, name_size), Text(value, value_size));
    if (self.block_.bytes() <= kBombFactor * self.options_.max_head_bytes) return 0;
    self.handler_.OnRefused("http2_header_bomb");
    self.failure_ = absl::ResourceExhaustedError("a header block decodes to far too much");
    nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  // Without this nghttp2 leaves the header out and lets the message pass.
  static int OnInvalidHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t,
                             const uint8_t*, size_t, uint8_t, void*) noexcept {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int OnInvalidFrame(nghttp2_session*, const nghttp2_frame*, int, void* user) noexcept {
    Self(user).handler_.OnRefused("http2_invalid_frame");
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
    Http2Session& self = Self(user);
    const BlockEnd end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ? BlockEnd::kStreamEnds
                                                                          : BlockEnd::kStreamGoesOn;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        return self.OnBlockEnd(frame->hd.stream_id, end);
      case NGHTTP2_DATA:
        if (end == BlockEnd::kStreamEnds) self.DeliverEnd(frame->hd.stream_id);
        break;
      case NGHTTP2_GOAWAY:
        self.handler_.OnPeerDrains();
        break;
      default:
        break;
    }
    return 0;
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                    size_t size, void* user) noexcept {
    Http2Session& self = Self(user);
    Stream* stream = self.Find(id);
    if (stream == nullptr || stream->refused ||
        stream->handler == nullptr) {  // Reset, which the peer does not know yet.
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    stream->unread += size;
    self.unread_ += size;
    self.connection_held_ += size;
    self.SettleConnectionWindow();
    stream->handler->OnStreamBody(absl::MakeConstSpan(bytes, size));
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t code, void* user) noexcept {
    Self(user).CloseStream(id, code);
    return 0;
  }

  static int OnFrameNotSent(nghttp2_session*, const nghttp2_frame* frame, int,
                            void* user) noexcept {
    // A request that was not sent any more, such as after GOAWAY.
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      Self(user).CloseStream(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    }
    return 0;
  }

  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
    Http2Session& self = Self(user);
    // What a peer provokes costs as much as what it does itself.
    const bool provoked = frame->hd.type == NGHTTP2_RST_STREAM &&
                          (frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR ||
                           frame->rst_stream.error_code == NGHTTP2_FLOW_CONTROL_ERROR ||
                           frame->rst_stream.error_code == NGHTTP2_STREAM_CLOSED);
    if (provoked && !self.guard_.Count(Http2FloodGuard::Kind::kReset, self.now_ms_)) {
      self.Flood(Http2FloodGuard::Kind::kReset);
    }
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) EndSent(self, *frame);
    return 0;
  }

  // A reset takes everything of its stream out of the queue that is not sent yet, so a peer whose
  // message is not wanted any more is stopped only now.
  static void EndSent(Http2Session& self, const nghttp2_frame& frame) {
    Stream* const stream = self.Find(frame.hd.stream_id);
    if (stream == nullptr) return;
    stream->end_sent = true;
    if (stream->released && !stream->peer_ended) self.StopPeer(frame.hd.stream_id);
  }

  // How large a frame of data is at most: it fills what is being sent.
  static ssize_t FrameRoom(nghttp2_session*, uint8_t, int32_t, int32_t, int32_t, uint32_t largest,
                           void* user) noexcept {
    const Http2Session& self = Self(user);
    const size_t left = self.room_ > kFrameHead ? self.room_ - kFrameHead : 0;
    return static_cast<ssize_t>(std::min<size_t>(std::max(left, kLeastFrame), largest));
  }

  // A frame's data, of as much as ReadOutput() has said.
  static int SendOutput(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t size,
                        nghttp2_data_source*, void* user) noexcept {
    Http2Session& self = Self(user);
    Stream* stream = self.Find(frame->hd.stream_id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    self.Give(absl::MakeConstSpan(head, kFrameHead));
    while (size > 0 && !stream->output.empty()) {
      const absl::Span<const uint8_t> front = stream->output.Front().subspan(0, size);
      self.Give(front);
      size -= front.size();
      stream->output.Consume(front.size());
    }
    if (size > 0) {
      self.Give(stream->lent.subspan(0, size));
      stream->lent.remove_prefix(size);
    }
    if (stream->above_watermark && stream->output.size() < kHighWatermark / 2) {
      stream->above_watermark = false;
      self.drained_.push_back(stream->id);
    }
    return self.room_ > 0 ? 0 : NGHTTP2_ERR_PAUSE;
  }
};

nghttp2_session_callbacks* Http2Session::Callbacks::New() {
  nghttp2_session_callbacks* callbacks = nullptr;
  KITH_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0, "no memory for an HTTP/2 session");
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, &Hooks::OnBeginFrame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &Hooks::OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Hooks::OnHeader);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, &Hooks::OnInvalidHeader);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, &Hooks::OnInvalidFrame);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Hooks::OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Hooks::OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Hooks::OnStreamClose);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, &Hooks::OnFrameNotSent);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &Hooks::OnFrameSent);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, &Hooks::FrameRoom);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, &Hooks::SendOutput);
  return callbacks;
}

ssize_t Http2Session::Callbacks::ReadOutput(nghttp2_session* session, int32_t id, uint8_t*,
                                            size_t room, uint32_t* flags, nghttp2_data_source*,
                                            void* user) noexcept {
  Http2Session& self = *static_cast<Http2Session*>(user);
  Stream* stream = self.Find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const size_t unsent = stream->unsent();
  const size_t size = std::min(room, unsent);
  // Hooks::SendOutput() moves them, without a stop in nghttp2's own buffer.
  if (size > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size == unsent && stream->ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream->trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> nvs;
      for (const auto& [name, value] : stream->trailers) nvs.push_back(ToNv(name, value));
      self.Submit(nghttp2_submit_trailer(session, id, nvs.data(), nvs.size()));
    }
  } else if (size == 0) {
    stream->waits = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(size);
}

}  // namespace kith::http
