// A libuv socket from its creation to its last byte: what accepted and connected streams are made
// of. It lives apart from the stream that shows it, so that the stream can be destroyed while the
// socket still sends (Stream::CloseAfterFlush) or while libuv still closes it. Threads: the loop's.
// Owns: the uv handle, its output. A Ptr is its one owner; without it the socket closes, frees
// itself. Errors: Open() returns libuv's code; later ones go to the handler as net/stream.h says.
// For net/ only.
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "source/base/byte_chain.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/net/stream.h"

namespace kith::net {

class UvSocket final : private event::EndOfTurn, private event::Lingering {
 public:
  struct Release {
    void operator()(UvSocket* socket) const { socket->LoseOwner(); }
  };
  using Ptr = std::unique_ptr<UvSocket, Release>;

  // How long the unsent rest of a socket that nobody owns any more may take.
  static constexpr absl::Duration kFlushLimit = absl::Seconds(5);

  // Not yet open: connect tcp() or pipe(), or Open() an accepted descriptor.
  static Ptr Create(event::Loop& loop, int family);

  // Takes the descriptor unless it returns an error.
  int Open(int descriptor, const base::SocketAddress& remote);
  // After tcp() or pipe() has connected.
  void SetConnected(const base::SocketAddress& remote);

  // For a connection that was redirected: where it was going.
  void set_local(const base::SocketAddress& local) {
    local_ = std::make_unique<base::SocketAddress>(local);
  }

  bool is_pipe() const { return is_pipe_; }
  uv_tcp_t* tcp() { return &handle_.tcp; }
  uv_pipe_t* pipe() { return &handle_.pipe; }
  int descriptor() const;  // -1 when there is none.
  // The kernel's word, which local() keeps.
  base::SocketAddress AskLocal() const;

  void set_handler(StreamHandler* handler);
  void ResumeReading();
  void PauseReading();
  void Write(absl::Span<const uint8_t> bytes);
  void Write(base::ByteChain&& bytes);
  void EndWriting();
  void CloseAfterFlush(absl::Duration limit);
  void Close();
  void Reset();

  size_t buffered_output() const { return output_.size(); }
  uint64_t bytes_received() const { return received_; }
  uint64_t bytes_sent() const { return sent_; }
  const base::SocketAddress& remote() const { return remote_; }
  const base::SocketAddress& local() const;
  event::Loop& loop() { return loop_; }

 private:
  // What has become of EndWriting().
  enum class Writing { kOpen, kEnding, kShuttingDown, kEnded };

  UvSocket(event::Loop& loop, bool is_pipe);
  ~UvSocket() override = default;
  friend std::default_delete<UvSocket>;

  void OnEndOfTurn() override { Flush(); }
  void Abandon() override { Close(); }
  void LoseOwner();

  static void OnAllocate(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer) noexcept;
  static void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept;
  static void OnWritten(uv_write_t* request, int error) noexcept;
  static void OnShutdown(uv_shutdown_t* request, int error) noexcept;
  static void OnHandleClosed(uv_handle_t* handle) noexcept;

  void Flush();
  // What is buffered, and the bytes behind it; returns how many of these went out.
  size_t SendEarly(absl::Span<const uint8_t> behind);
  bool SendNow();        // False once the socket has failed.
  bool SendWhenReady();  // Likewise.
  void NoteSent(size_t bytes);
  void NoteBuffered();
  void ReportDrained();
  void FinishIfBothEnded();
  void Fail(absl::string_view attempted, int error);
  void Die(absl::Status status);

  event::Loop& loop_;
  union {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle_;
  // Set while libuv has them: most sockets are idle, and there are many.
  std::unique_ptr<uv_write_t> write_request_;
  std::unique_ptr<uv_shutdown_t> shutdown_request_;
  StreamHandler* handler_ = nullptr;
  base::ByteChain output_;
  size_t in_flight_ = 0;  // So many bytes at the front of output_ are lent to write_request_.
  uint64_t received_ = 0;
  uint64_t sent_ = 0;
  Writing writing_ = Writing::kOpen;
  bool is_pipe_;
  bool read_ended_ = false;
  bool above_watermark_ = false;
  bool lingering_ = false;  // CloseAfterFlush(): nobody is told anything any more.
  bool closing_ = false;
  bool handle_closed_ = false;
  bool owner_gone_ = false;
  base::SocketAddress remote_;
  mutable std::unique_ptr<base::SocketAddress> local_;  // Once somebody has asked, or it was given.
  std::optional<event::Timer> flush_limit_;
};

// The socket, open or connected, as a Stream.
std::unique_ptr<Stream> MakeSocketStream(UvSocket::Ptr socket);

}  // namespace kith::net
