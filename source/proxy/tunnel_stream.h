// One CONNECT stream of an HTTP/2 connection as a stream of bytes: opaque TCP on a link. What its
// reader has not taken keeps the far end's window shut; END_STREAM is the half-close of each
// direction, RST_STREAM a reset.
// Threads: the loop's. Owns: its part of the connection, which it keeps from being destroyed, not
// from being closed.
// Errors: as net/stream.h. Before it is open, its Opener is told why it will not be.
#pragma once

#include <memory>

#include "source/http/http2_session.h"
#include "source/net/stream.h"
#include "source/proxy/http2_transport.h"

namespace kith::proxy {

class TunnelStream final : public net::Stream,
                           public http::Http2StreamHandler,
                           private event::EndOfTurn {
 public:
  // Who asked for the stream. Called once.
  class Opener {
   public:
    virtual ~Opener() = default;
    // `status`: of the answer; 200 opens it.
    virtual void OnAnswered(int status) = 0;
    virtual void OnUnanswered(telemetry::Reason reason, const std::string& detail) = 0;
  };

  // Asks for a stream to `authority`; null when the connection can have no more of them.
  static std::unique_ptr<TunnelStream> Ask(std::shared_ptr<Http2Transport> transport,
                                           absl::string_view authority, Opener& opener);
  // One that the peer has asked for, to be accepted or refused.
  TunnelStream(std::shared_ptr<Http2Transport> transport, int32_t id);
  ~TunnelStream() override;

  void Accept();
  // Answers with an error of HTTP, and ends it.
  void Refuse(int status);

  // net::Stream
  void SetHandler(net::StreamHandler* handler) override { handler_ = handler; }
  void ResumeReading() override;
  void PauseReading() override { paused_ = true; }
  void Write(absl::Span<const uint8_t> bytes) override;
  void Write(base::ByteChain&& bytes) override;
  void EndWriting() override { session().End(id_, {}); }
  void CloseAfterFlush() override;
  void Close() override { Reset(); }
  void Reset() override;
  size_t buffered_output() const override { return transport_->session().buffered_output(id_); }
  uint64_t bytes_received() const override { return received_; }
  uint64_t bytes_sent() const override { return sent_; }
  const base::SocketAddress& remote() const override { return transport_->stream().remote(); }
  const base::SocketAddress& local() const override { return transport_->stream().local(); }
  event::Loop& loop() override { return transport_->stream().loop(); }

 private:
  // http::Http2StreamHandler
  void OnResponseHead(const http::ResponseHead& head) override;
  void OnStreamBody(absl::Span<const uint8_t> bytes) override;
  void OnStreamEnd() override;
  void OnStreamDrained() override;
  void OnStreamClosed(const http::Http2Close& close) override;
  // event::EndOfTurn
  void OnEndOfTurn() override;

  http::Http2Session& session() { return transport_->session(); }
  bool paused() const { return paused_ || handler_ == nullptr; }
  void Consume();
  void NoteMoved();
  void TellTheEnd();
  void Leave();

  const std::shared_ptr<Http2Transport> transport_;
  Opener* opener_ = nullptr;  // Until it is answered.
  net::StreamHandler* handler_ = nullptr;
  base::ByteChain held_;  // Arrived while paused; the window bounds it.
  uint64_t received_ = 0;
  uint64_t sent_ = 0;
  int32_t id_;           // 0 once the session has forgotten it.
  uint32_t unread_ = 0;  // Received, and not yet taken.
  bool paused_ = true;
  bool heavy_ = false;
  bool ended_ = false;  // By the peer; told when what came before it is.
  bool told_end_ = false;
  bool closed_ = false;  // Both directions have ended.
  bool left_ = false;    // Nothing more is told.
};

}  // namespace kith::proxy
