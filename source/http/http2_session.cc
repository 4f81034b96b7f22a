#include "source/http/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/check.h"
#include "source/http/http2_session_state.h"

namespace kith::http {

namespace {

constexpr uint32_t kMaxSettings = 32;
constexpr uint32_t kDefaultFrameBytes = 16 * 1024;  // RFC 9113 §6.5.2.

// A write of so much is worth a flush of its own: it spares a copy.
constexpr size_t kLarge = size_t{64} * 1024;

}  // namespace

Http2Session::Http2Session(const Options& options, base::BlockPool& blocks, Handler& handler)
    : options_(options),
      blocks_(blocks),
      handler_(handler),
      block_({options.max_head_bytes, options.max_headers}) {
  nghttp2_session_callbacks* callbacks = Callbacks::New();
  nghttp2_option* option = nullptr;
  KITH_CHECK(nghttp2_option_new(&option) == 0, "no memory for an HTTP/2 session");
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_settings(option, kMaxSettings);
  nghttp2_option_set_peer_max_concurrent_streams(option, options.expected_streams);

  const bool server = options.role == Role::kServer;
  const int made = server ? nghttp2_session_server_new2(&session_, callbacks, this, option)
                          : nghttp2_session_client_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  KITH_CHECK(made == 0, "no memory for an HTTP/2 session");

  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(options.first_stream_window)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(options.max_head_bytes)},
  };
  if (options.max_frame_bytes > kDefaultFrameBytes) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_FRAME_SIZE, options.max_frame_bytes});
  }
  if (server) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.max_streams});
    settings.push_back({NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  Submit(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
  Submit(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                               options.connection_window));
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

void Http2Session::Submit(int result) {
  // What else can fail is a stream that has just gone, whose handler is told.
  KITH_CHECK(result != NGHTTP2_ERR_NOMEM, "no memory for an HTTP/2 frame");
  handler_.OnHasOutput();
}

Http2Session::Stream* Http2Session::Find(int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

// ---- Receiving ----

absl::Status Http2Session::Receive(absl::Span<const uint8_t> bytes, uint64_t now_ms) {
  now_ms_ = now_ms;
  if (!failure_.ok()) return failure_;
  receiving_ = true;
  const ssize_t taken = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
  receiving_ = false;
  if (taken < 0 && failure_.ok()) {
    handler_.OnRefused("http2_protocol");
    failure_ = absl::InvalidArgumentError(
        absl::StrCat("HTTP/2: ", nghttp2_strerror(static_cast<int>(taken))));
  }
  if (nghttp2_session_want_write(session_) != 0) handler_.OnHasOutput();
  return failure_;
}

int Http2Session::OnBlockEnd(int32_t id, BlockEnd end) {
  Stream* stream = Find(id);
  if (stream == nullptr) {
    if (options_.role == Role::kClient) return 0;  // Reset, which the peer does not know yet.
    const ParseError error = block_.ReadRequest(end, request_);
    if (error != ParseError::kNone) {
      RefuseMessage(id, error);
      return 0;
    }
    const auto opened = streams_.emplace(
        id, std::make_unique<Stream>(id, nullptr, blocks_,
                                     static_cast<size_t>(options_.first_stream_window)));
    stream = opened.first->second.get();
    stream->head_received = true;
    Http2StreamHandler* handler = handler_.OnRequestHead(id, request_);
    if (handler == nullptr) {
      Reset(id, ResetCode::kRefused);
      return 0;
    }
    // The handler may have answered and gone already.
    stream = Find(id);
    if (stream == nullptr || stream->released) return 0;
    stream->handler = handler;
  } else if (stream->handler == nullptr) {
    return 0;
  } else if (stream->head_received) {
    DeliverTrailers(*stream);
  } else {
    DeliverResponse(*stream, end);
  }
  if (end == BlockEnd::kStreamEnds) DeliverEnd(id);
  return 0;
}

void Http2Session::DeliverResponse(Stream& stream, BlockEnd end) {
  const ParseError error = block_.ReadResponse(stream.context, end, response_);
  if (error != ParseError::kNone) {
    RefuseMessage(stream.id, error);
    return;
  }
  stream.head_received = !response_.is_informational();
  stream.handler->OnResponseHead(response_);
}

void Http2Session::DeliverTrailers(Stream& stream) {
  const ParseError error = block_.ReadTrailers(trailers_);
  if (error != ParseError::kNone) {
    RefuseMessage(stream.id, error);
  } else if (!trailers_.empty()) {
    stream.handler->OnStreamTrailers(trailers_);
  }
}

void Http2Session::DeliverEnd(int32_t id) {
  Stream* stream = Find(id);
  if (stream == nullptr || stream->peer_ended || stream->refused) return;
  stream->peer_ended = true;
  if (stream->handler != nullptr) stream->handler->OnStreamEnd();
}

void Http2Session::RefuseMessage(int32_t id, ParseError error) {
  handler_.OnRefused(ToString(error));
  if (Stream* stream = Find(id); stream != nullptr) stream->refused = true;
  Submit(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_PROTOCOL_ERROR));
}

void Http2Session::CloseStream(int32_t id, uint32_t code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::unique_ptr<Stream> stream = std::move(found->second);
  streams_.erase(found);
  Forget(*stream);
  if (stream->handler == nullptr) return;
  Http2Close close;
  if (code == NGHTTP2_REFUSED_STREAM) {
    close.cause = Http2Close::Cause::kUnprocessed;
  } else if (code != NGHTTP2_NO_ERROR || !stream->peer_ended) {
    close.cause = Http2Close::Cause::kReset;
  }
  close.detail = absl::StrCat("the stream ended with ", nghttp2_http2_strerror(code));
  stream->handler->OnStreamClosed(close);
}

void Http2Session::CloseAll(const std::string& detail) {
  absl::flat_hash_map<int32_t, std::unique_ptr<Stream>> all;
  all.swap(streams_);
  unread_ = grown_ = 0;
  for (const auto& [id, stream] : all) {
    if (stream->handler == nullptr) continue;
    stream->handler->OnStreamClosed({Http2Close::Cause::kConnection, detail});
  }
}

void Http2Session::Flood(Http2FloodGuard::Kind kind) {
  const absl::string_view name = Http2FloodGuard::Name(kind);
  handler_.OnRefused(name);
  failure_ = absl::ResourceExhaustedError(absl::StrCat("HTTP/2: ", name));
  Submit(nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM));
}

// ---- Flow control ----

void Http2Session::SettleConnectionWindow() {
  if (connection_held_ == 0 || unread_ > static_cast<size_t>(options_.connection_window)) return;
  Submit(nghttp2_session_consume_connection(session_, std::exchange(connection_held_, 0)));
}

void Http2Session::Consume(int32_t id, size_t bytes) {
  Stream* stream = Find(id);
  if (stream == nullptr || bytes == 0) return;
  stream->unread -= bytes;
  unread_ -= bytes;
  SettleConnectionWindow();
  Submit(nghttp2_session_consume_stream(session_, id, bytes));
  if (stream->unread > 0 || stream->peer_ended) return;
  // A reader that keeps up with a whole window gets twice of it.
  stream->read_in_window += bytes;
  if (stream->read_in_window >= stream->window) GrowWindow(*stream);
}

void Http2Session::GrowWindow(Stream& stream) {
  const auto largest = static_cast<size_t>(options_.largest_stream_window);
  const auto budget = static_cast<size_t>(options_.connection_window) / 2;
  stream.read_in_window = 0;
  if (stream.window * 2 > largest || grown_ + stream.window > budget) return;
  grown_ += stream.window;
  stream.window *= 2;
  Submit(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, stream.id,
                                               static_cast<int32_t>(stream.window)));
}

void Http2Session::Forget(const Stream& stream) {
  unread_ -= stream.unread;
  grown_ -= stream.window - static_cast<size_t>(options_.first_stream_window);
  SettleConnectionWindow();
}

// ---- Sending ----

void Http2Session::Give(absl::Span<const uint8_t> bytes) {
  room_ -= std::min(room_, bytes.size());
  out_->Add(bytes);
}

bool Http2Session::Send(size_t room, Output& out) {
  out_ = &out;
  room_ = room;
  bool all = false;
  while (!all && room_ > 0) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size > 0) Give(absl::MakeConstSpan(bytes, static_cast<size_t>(size)));
    // Data is given in between; nghttp2 then pauses when there is no more room.
    all = size <= 0 && room_ > 0;
  }
  out_ = nullptr;
  std::vector<int32_t> drained;
  drained.swap(drained_);
  for (int32_t id : drained) {
    Stream* stream = Find(id);
    if (stream != nullptr && stream->handler != nullptr) stream->handler->OnStreamDrained();
  }
  return all;
}

bool Http2Session::finished() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

int32_t Http2Session::SubmitRequest(absl::Span<const Header> fields, Message message,
                                    Http2StreamHandler& handler) {
  const auto nvs = ToNvs(fields);
  nghttp2_data_provider provider = {{}, &Callbacks::ReadOutput};
  const int32_t id =
      nghttp2_submit_request(session_, nullptr, nvs.data(), nvs.size(),
                             message == Message::kComplete ? nullptr : &provider, nullptr);
  KITH_CHECK(id != NGHTTP2_ERR_NOMEM, "no memory for an HTTP/2 request");
  if (id < 0) return 0;
  guard_.ForgiveReset();
  auto stream = std::make_unique<Stream>(id, &handler, blocks_,
                                         static_cast<size_t>(options_.first_stream_window));
  stream->ended = message == Message::kComplete;
  for (const Header& field : fields) {
    if (field.name == ":method") {
      stream->context.to_head = field.value == "HEAD";
      stream->context.to_connect = field.value == "CONNECT";
    }
  }
  streams_.emplace(id, std::move(stream));
  handler_.OnHasOutput();
  return id;
}

void Http2Session::SubmitInterim(int32_t id, absl::Span<const Header> fields) {
  if (Find(id) == nullptr) return;
  const auto nvs = ToNvs(fields);
  Submit(std::min(0, nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, nvs.data(),
                                            nvs.size(), nullptr)));
}

void Http2Session::SubmitResponse(int32_t id, absl::Span<const Header> fields, Message message) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->ended = message == Message::kComplete;
  const auto nvs = ToNvs(fields);
  nghttp2_data_provider provider = {{}, &Callbacks::ReadOutput};
  Submit(nghttp2_submit_response(session_, id, nvs.data(), nvs.size(),
                                 message == Message::kComplete ? nullptr : &provider));
}

void Http2Session::Write(int32_t id, absl::Span<const uint8_t> bytes) {
  Stream* stream = Find(id);
  if (stream == nullptr || stream->ended || bytes.empty()) return;
  const bool busy = receiving_ || out_ != nullptr;
  if (bytes.size() >= kLarge && stream->unsent() == 0 && !busy) return Lend(*stream, bytes);
  stream->output.Append(std::exchange(stream->lent, {}));
  stream->output.Append(bytes);
  if (stream->output.size() > kHighWatermark) stream->above_watermark = true;
  if (std::exchange(stream->waits, false)) Submit(nghttp2_session_resume_data(session_, id));
}

void Http2Session::Lend(Stream& stream, absl::Span<const uint8_t> bytes) {
  const int32_t id = stream.id;
  stream.lent = bytes;
  if (std::exchange(stream.waits, false)) Submit(nghttp2_session_resume_data(session_, id));
  handler_.OnLargeOutput();
  Stream* left = Find(id);  // It may have been reset.
  if (left == nullptr) return;
  left->output.Append(std::exchange(left->lent, {}));
  if (left->output.size() > kHighWatermark) left->above_watermark = true;
}

void Http2Session::End(int32_t id, absl::Span<const Header> trailers) {
  Stream* stream = Find(id);
  if (stream == nullptr || stream->ended) return;
  stream->ended = true;
  for (const Header& trailer : trailers) {
    stream->trailers.emplace_back(std::string(trailer.name), std::string(trailer.value));
  }
  if (std::exchange(stream->waits, false)) Submit(nghttp2_session_resume_data(session_, id));
}

size_t Http2Session::buffered_output(int32_t id) const {
  const Stream* stream = Find(id);
  return stream == nullptr ? 0 : stream->unsent();
}

void Http2Session::Reset(int32_t id, ResetCode code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Forget(*found->second);
  streams_.erase(found);
  uint32_t wire = NGHTTP2_CANCEL;
  switch (code) {
    case ResetCode::kNoError:
      wire = NGHTTP2_NO_ERROR;
      break;
    case ResetCode::kCancel:
      break;
    case ResetCode::kRefused:
      wire = NGHTTP2_REFUSED_STREAM;
      break;
    case ResetCode::kInternal:
      wire = NGHTTP2_INTERNAL_ERROR;
      break;
    case ResetCode::kConnectRefused:
      wire = NGHTTP2_CONNECT_ERROR;
      break;
  }
  Submit(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, wire));
}

void Http2Session::Release(int32_t id) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  if (!stream->ended) {
    Reset(id, ResetCode::kCancel);
    return;
  }
  stream->handler = nullptr;
  stream->released = true;
  if (stream->peer_ended) return;
  Consume(id, stream->unread);
  if (stream->end_sent) StopPeer(id);
}

void Http2Session::StopPeer(int32_t id) {
  Submit(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR));
}

// ---- The connection's end ----

void Http2Session::AnnounceDrain() { Submit(nghttp2_submit_shutdown_notice(session_)); }

void Http2Session::FinishDrain() {
  Submit(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                               nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                               nullptr, 0));
}

uint32_t Http2Session::stream_limit() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

}  // namespace kith::http
