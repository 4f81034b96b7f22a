#include "source/net/uv_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/check.h"
#include "source/event/uv_error.h"

namespace kith::net {
namespace {

constexpr size_t kMaxBuffers = 64;

// A write of so much is worth a system call of its own: it spares a copy.
constexpr size_t kDirect = size_t{64} * 1024;

// So much is sent before the turn's end, while it is still in the processor's cache, and before it
// would stop whoever writes it.
constexpr size_t kSendEarly = size_t{128} * 1024;

// The front of a chain as libuv wants it.
struct Buffers {
  explicit Buffers(const base::ByteChain& chain) {
    iovec vectors[kMaxBuffers];
    count = static_cast<unsigned>(chain.Peek(vectors, kMaxBuffers));
    for (unsigned i = 0; i < count; ++i) {
      items[i] = uv_buf_init(static_cast<char*>(vectors[i].iov_base),
                             static_cast<unsigned>(vectors[i].iov_len));
      bytes += vectors[i].iov_len;
    }
  }

  void Add(absl::Span<const uint8_t> more) {
    items[count++] = uv_buf_init(reinterpret_cast<char*>(const_cast<uint8_t*>(more.data())),
                                 static_cast<unsigned>(more.size()));
    bytes += more.size();
  }

  uv_buf_t items[kMaxBuffers + 1];
  unsigned count = 0;
  size_t bytes = 0;
};

}  // namespace

UvSocket::UvSocket(event::Loop& loop, bool is_pipe)
    : loop_(loop), output_(loop.blocks()), is_pipe_(is_pipe) {
  if (is_pipe) {
    uv_pipe_init(loop.uv(), &handle_.pipe, 0);
  } else {
    uv_tcp_init(loop.uv(), &handle_.tcp);
  }
  handle_.any.data = this;
}

UvSocket::Ptr UvSocket::Create(event::Loop& loop, int family) {
  return Ptr(new UvSocket(loop, family == AF_UNIX));
}

int UvSocket::Open(int descriptor, const base::SocketAddress& remote) {
  int error = is_pipe_ ? uv_pipe_open(pipe(), descriptor) : uv_tcp_open(tcp(), descriptor);
  if (error == 0) SetConnected(remote);
  return error;
}

void UvSocket::SetConnected(const base::SocketAddress& remote) { remote_ = remote; }

base::SocketAddress UvSocket::AskLocal() const {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  if (getsockname(descriptor(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return base::SocketAddress::From(reinterpret_cast<const sockaddr*>(&address));
}

const base::SocketAddress& UvSocket::local() const {
  if (local_ == nullptr) local_ = std::make_unique<base::SocketAddress>(AskLocal());
  return *local_;
}

int UvSocket::descriptor() const {
  uv_os_fd_t descriptor;
  return uv_fileno(&handle_.any, &descriptor) == 0 ? descriptor : -1;
}

void UvSocket::LoseOwner() {
  owner_gone_ = true;
  if (handle_closed_) {
    delete this;
  } else if (!lingering_) {
    Close();
  }
}

void UvSocket::set_handler(StreamHandler* handler) {
  if (!closing_ && !lingering_) handler_ = handler;
}

void UvSocket::ResumeReading() {
  if (closing_ || lingering_ || read_ended_) return;
  KITH_CHECK(handler_ != nullptr, "a stream without a handler is to be read");
  uv_read_start(&handle_.stream, &OnAllocate, &OnRead);
}

void UvSocket::PauseReading() {
  if (!closing_ && !lingering_) uv_read_stop(&handle_.stream);
}

void UvSocket::OnAllocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) noexcept {
  absl::Span<uint8_t> scratch = static_cast<UvSocket*>(handle->data)->loop_.read_scratch();
  *buffer =
      uv_buf_init(reinterpret_cast<char*>(scratch.data()), static_cast<unsigned>(scratch.size()));
}

void UvSocket::OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept {
  // The socket outlives this call even if its stream is destroyed: libuv closes it in a later one.
  auto& socket = *static_cast<UvSocket*>(stream->data);
  if (count > 0) {
    socket.received_ += static_cast<uint64_t>(count);
    if (socket.handler_ != nullptr) {
      socket.handler_->OnData(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(buffer->base),
                                                  static_cast<size_t>(count)));
    }
  }
  socket.loop_.ReturnReadScratch();
  if (count == UV_EOF) {
    socket.read_ended_ = true;
    if (socket.handler_ != nullptr) socket.handler_->OnEnd();
    socket.FinishIfBothEnded();
  } else if (count < 0) {
    socket.Fail("read", static_cast<int>(count));
  }
}

void UvSocket::Write(absl::Span<const uint8_t> bytes) {
  if (closing_ || writing_ != Writing::kOpen || bytes.empty()) return;
  const size_t before = output_.size();
  if (bytes.size() >= kDirect) {
    bytes.remove_prefix(SendEarly(bytes));
    output_.Append(bytes);
  } else {
    output_.Append(bytes);
    if (before < kSendEarly && output_.size() >= kSendEarly) SendEarly({});
  }
  NoteBuffered();
}

void UvSocket::Write(base::ByteChain&& bytes) {
  if (closing_ || writing_ != Writing::kOpen) return bytes.Clear();
  output_.Append(std::move(bytes));
  NoteBuffered();
}

size_t UvSocket::SendEarly(absl::Span<const uint8_t> behind) {
  Buffers buffers(output_);
  // A longer queue is one that the peer does not take.
  if (in_flight_ > 0 || buffers.bytes < output_.size()) return 0;
  if (!behind.empty()) buffers.Add(behind);
  const int result = uv_try_write(&handle_.stream, buffers.items, buffers.count);
  // A failure is met again, and reported, when the rest is flushed.
  if (result <= 0) return 0;
  const auto sent = static_cast<size_t>(result);
  const size_t buffered = std::min(sent, output_.size());
  output_.Consume(buffered);
  sent_ += sent;
  return sent - buffered;
}

void UvSocket::NoteBuffered() {
  if (output_.size() > Stream::kHighWatermark) above_watermark_ = true;
  // While a write is in flight its completion sends the rest.
  if (in_flight_ == 0 && (!output_.empty() || above_watermark_)) loop_.AtEndOfTurn(*this);
}

void UvSocket::EndWriting() {
  if (closing_ || writing_ != Writing::kOpen) return;
  writing_ = Writing::kEnding;
  loop_.AtEndOfTurn(*this);
}

void UvSocket::Flush() {
  if (closing_ || in_flight_ > 0) return;
  if (!SendNow()) return;
  if (writing_ == Writing::kEnding && output_.empty()) {
    writing_ = Writing::kShuttingDown;
    shutdown_request_ = std::make_unique<uv_shutdown_t>();
    shutdown_request_->data = this;
    int error = uv_shutdown(shutdown_request_.get(), &handle_.stream, &OnShutdown);
    if (error != 0) return Fail("end writing to", error);
  }
  ReportDrained();
}

bool UvSocket::SendNow() {
  while (!output_.empty()) {
    Buffers buffers(output_);
    int sent = uv_try_write(&handle_.stream, buffers.items, buffers.count);
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0) {
      Fail("write to", sent);
      return false;
    }
    NoteSent(static_cast<size_t>(sent));
    if (static_cast<size_t>(sent) < buffers.bytes) return SendWhenReady();
  }
  return true;
}

bool UvSocket::SendWhenReady() {
  Buffers buffers(output_);
  // The bytes stay at the front of output_ until OnWritten(); more may be appended behind them.
  in_flight_ = buffers.bytes;
  write_request_ = std::make_unique<uv_write_t>();
  write_request_->data = this;
  int error =
      uv_write(write_request_.get(), &handle_.stream, buffers.items, buffers.count, &OnWritten);
  if (error == 0) return true;
  in_flight_ = 0;
  write_request_.reset();
  Fail("write to", error);
  return false;
}

void UvSocket::OnWritten(uv_write_t* request, int error) noexcept {
  auto& socket = *static_cast<UvSocket*>(request->data);
  size_t sent = std::exchange(socket.in_flight_, 0);
  socket.write_request_.reset();
  if (socket.closing_) return socket.output_.Clear();
  if (error != 0) return socket.Fail("write to", error);
  socket.NoteSent(sent);
  socket.Flush();
}

void UvSocket::NoteSent(size_t bytes) {
  output_.Consume(bytes);
  sent_ += bytes;
}

void UvSocket::ReportDrained() {
  if (!above_watermark_ || output_.size() >= Stream::kHighWatermark / 2) return;
  above_watermark_ = false;
  if (handler_ != nullptr) handler_->OnDrained();
}

void UvSocket::OnShutdown(uv_shutdown_t* request, int error) noexcept {
  auto& socket = *static_cast<UvSocket*>(request->data);
  socket.shutdown_request_.reset();
  if (socket.closing_) return;
  if (error != 0) return socket.Fail("end writing to", error);
  socket.writing_ = Writing::kEnded;
  socket.FinishIfBothEnded();
}

void UvSocket::FinishIfBothEnded() {
  if (read_ended_ && writing_ == Writing::kEnded) Die(absl::OkStatus());
}

void UvSocket::Fail(absl::string_view attempted, int error) {
  // An accepted UNIX peer has no name; the path it connected to says where.
  bool named = remote_.family() != AF_UNIX || !remote_.UnixPath().empty();
  Die(absl::UnavailableError(absl::StrCat(attempted, " ", (named ? remote_ : local()).ToString(),
                                          ": ", event::UvReason(error))));
}

void UvSocket::Die(absl::Status status) {
  if (closing_) return;
  StreamHandler* handler = handler_;
  Close();
  if (handler != nullptr) handler->OnClosed(std::move(status));
}

void UvSocket::CloseAfterFlush(absl::Duration limit) {
  if (closing_ || lingering_) return;
  lingering_ = true;
  handler_ = nullptr;
  if (read_ended_ && writing_ == Writing::kEnded) return Close();
  loop_.Linger(*this);
  flush_limit_.emplace(loop_, [this] { Close(); });
  flush_limit_->Start(limit);
  EndWriting();
  // Closing with input unread would make the kernel answer with a reset, which can destroy what was
  // just sent before the peer reads it. So input is read and thrown away until the peer ends too.
  if (!read_ended_) uv_read_start(&handle_.stream, &OnAllocate, &OnRead);
}

void UvSocket::Close() {
  if (closing_) return;
  closing_ = true;
  handler_ = nullptr;
  flush_limit_.reset();
  if (lingering_) loop_.StopLingering(*this);
  if (in_flight_ == 0) output_.Clear();
  uv_close(&handle_.any, &OnHandleClosed);
}

void UvSocket::Reset() {
  if (closing_) return;
  // Zero linger time is how a socket is told to send RST (uv_tcp_close_reset() does the same, but
  // refuses after a shutdown).
  linger now = {1, 0};
  if (!is_pipe_) setsockopt(descriptor(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  Close();
}

void UvSocket::OnHandleClosed(uv_handle_t* handle) noexcept {
  auto* socket = static_cast<UvSocket*>(handle->data);
  socket->handle_closed_ = true;
  if (socket->owner_gone_) delete socket;
}

namespace {

class SocketStream final : public Stream {
 public:
  explicit SocketStream(UvSocket::Ptr socket) : socket_(std::move(socket)) {}

  void SetHandler(StreamHandler* handler) override { socket_->set_handler(handler); }
  void ResumeReading() override { socket_->ResumeReading(); }
  void PauseReading() override { socket_->PauseReading(); }
  void Write(absl::Span<const uint8_t> bytes) override { socket_->Write(bytes); }
  void Write(base::ByteChain&& bytes) override { socket_->Write(std::move(bytes)); }
  void EndWriting() override { socket_->EndWriting(); }
  void CloseAfterFlush() override { socket_->CloseAfterFlush(UvSocket::kFlushLimit); }
  void Close() override { socket_->Close(); }
  void Reset() override { socket_->Reset(); }
  size_t buffered_output() const override { return socket_->buffered_output(); }
  uint64_t bytes_received() const override { return socket_->bytes_received(); }
  uint64_t bytes_sent() const override { return socket_->bytes_sent(); }
  const base::SocketAddress& remote() const override { return socket_->remote(); }
  const base::SocketAddress& local() const override { return socket_->local(); }
  event::Loop& loop() override { return socket_->loop(); }

 private:
  UvSocket::Ptr socket_;
};

}  // namespace

std::unique_ptr<Stream> MakeSocketStream(UvSocket::Ptr socket) {
  return std::make_unique<SocketStream>(std::move(socket));
}

}  // namespace kith::net
