// An HTTP/2 session on the stream that carries it, in either role: what comes is fed to the
// session, what it has to say is flushed once per turn of the loop.
// Threads: the loop's. Owns: the stream and the session. Shared with the tunnels among its streams,
// which may outlive its owner.
// Errors: whatever ends the connection is told to the owner by OnOver(), which then calls Close().
#pragma once

#include <memory>
#include <string>

#include "source/http/http2_session.h"
#include "source/net/stream.h"
#include "source/proxy/worker_state.h"
#include "source/telemetry/reason.h"

namespace kith::proxy {

class Http2Transport final : private net::StreamHandler,
                             private http::Http2Session::Handler,
                             private event::EndOfTurn {
 public:
  // Output moves to the stream in pieces as large as can be: one write, and with TLS full records,
  // for the frames of many streams.
  static constexpr size_t kPiece = size_t{128} * 1024;
  // A stream that has moved so much is a heavy one.
  static constexpr uint64_t kHeavy = uint64_t{1024} * 1024;

  class Owner {
   public:
    virtual ~Owner() = default;
    // See Http2Session::Handler.
    virtual http::Http2StreamHandler* OnRequestHead(int32_t, const http::RequestHead&) {
      return nullptr;
    }
    virtual void OnPeerDrains() {}
    // Before what the turn has brought forth is flushed, and after it.
    virtual void OnTurnEnds() {}
    virtual void OnFlushed() {}
    // A TunnelStream of the connection was destroyed.
    virtual void OnTunnelGone() {}
    // The connection can carry no more; `detail` is for logs.
    virtual void OnOver(const std::string& detail) = 0;
  };

  // `peer`: who is at the other end, as logs name it: "the client".
  Http2Transport(WorkerState& worker, Owner& owner, std::unique_ptr<net::Stream> stream,
                 const http::Http2Session::Options& options, absl::string_view peer);
  ~Http2Transport() override;

  // Starts reading. `first_bytes` were read before.
  void Start(absl::Span<const uint8_t> first_bytes);
  http::Http2Session& session() { return session_; }
  const http::Http2Session& session() const { return session_; }
  net::Stream& stream() { return *stream_; }
  const net::Stream& stream() const { return *stream_; }

  // Why the connection ended, for who lost a stream by it.
  telemetry::Reason reason() const { return reason_; }

  // How many of its streams move much: one that begins now would wait behind their bytes.
  size_t heavy_streams() const { return heavy_streams_; }
  void AddHeavyStream() { ++heavy_streams_; }
  void RemoveHeavyStream() { --heavy_streams_; }

  void OnTunnelGone() {
    if (owner_ != nullptr) owner_->OnTunnelGone();
  }

  // There is something to flush, or to be done at the end of the turn.
  void Wake() { worker_.loop.AtEndOfTurn(*this); }
  // Sends what is left and closes; every stream is told.
  void Close(const std::string& detail);
  // The same for an owner that goes: nobody is told.
  void Abandon();
  bool closed() const { return closed_; }

 private:
  // net::StreamHandler
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override { owner_->OnOver(ended_); }
  void OnClosed(absl::Status status) override;
  void OnDrained() override { Wake(); }
  // http::Http2Session::Handler
  http::Http2StreamHandler* OnRequestHead(int32_t id, const http::RequestHead& head) override {
    return owner_->OnRequestHead(id, head);
  }
  void OnHasOutput() override { Wake(); }
  void OnLargeOutput() override;
  void OnPeerDrains() override { owner_->OnPeerDrains(); }
  void OnRefused(absl::string_view reason) override { worker_.observer.CountBadRequest(reason); }
  // event::EndOfTurn
  void OnEndOfTurn() override;

  void Flush();

  WorkerState& worker_;
  Owner* owner_;  // Null once it has gone.
  std::unique_ptr<net::Stream> stream_;
  http::Http2Session session_;
  const std::string ended_;
  telemetry::Reason reason_ = telemetry::Reason::kUpstreamReset;
  size_t heavy_streams_ = 0;
  bool closed_ = false;
};

}  // namespace kith::proxy
