// The TlsStream there is: one BoringSSL connection over one transport.
// Threads, ownership, errors: tls_stream.h. For tls/ only.
#pragma once

#include <openssl/base.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "source/event/timer.h"
#include "source/tls/handshake_state.h"
#include "source/tls/live_connections.h"
#include "source/tls/record_bio.h"
#include "source/tls/ssl_error.h"
#include "source/tls/tls_stream.h"

namespace kith::tls {

class TlsConnection final : public TlsStream, private net::StreamHandler, private event::EndOfTurn {
 public:
  TlsConnection(std::unique_ptr<net::Stream> transport, ServerOptions options,
                HandshakeCallback done);
  TlsConnection(std::unique_ptr<net::Stream> transport, ClientOptions options,
                HandshakeCallback done);
  ~TlsConnection() override;

  // TlsStream
  const Context& context() const override { return *context_; }
  const HandshakeResult& handshake() const override { return result_; }
  telemetry::Reason close_reason() const override { return close_reason_; }
  // net::Stream
  void SetHandler(net::StreamHandler* handler) override;
  void ResumeReading() override;
  void PauseReading() override;
  void Write(absl::Span<const uint8_t> bytes) override;
  void Write(base::ByteChain&& bytes) override;
  void EndWriting() override;
  void CloseAfterFlush() override;
  void Close() override;
  void Reset() override;
  size_t buffered_output() const override { return transport_->buffered_output(); }
  uint64_t bytes_received() const override { return transport_->bytes_received(); }
  uint64_t bytes_sent() const override { return transport_->bytes_sent(); }
  const base::SocketAddress& remote() const override { return transport_->remote(); }
  const base::SocketAddress& local() const override { return transport_->local(); }
  event::Loop& loop() override { return transport_->loop(); }

  // For LiveConnections: the peer is not to be trusted any more.
  void EndUntrusted(const Standing& standing);

 private:
  // What only a handshake needs; gone when it is over.
  struct Handshaking {
    Handshaking(event::Loop& loop, absl::AnyInvocable<void()> on_timeout)
        : timer(loop, std::move(on_timeout)) {}
    HandshakeState state;
    HandshakeCallback done;
    event::Timer timer;
    std::unique_ptr<Responders::Waiting> waiting;  // For an answer that the check needs.
    absl::Duration timeout;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
    // Wrong options: it fails before its first byte.
    absl::Status refused;
    telemetry::Reason refused_reason = telemetry::Reason::kNone;
  };
  enum class ReadState : uint8_t {
    kOpen,
    kEndPending,  // close_notify has come while reading was paused.
    kEnded,       // OnEnd() was called.
  };

  TlsConnection(std::unique_ptr<net::Stream> transport, std::shared_ptr<const Context> context,
                SSL_CTX* ssl_context, absl::Duration timeout, std::shared_ptr<LiveConnections> live,
                HandshakeCallback done);
  void PrepareClient(const ClientOptions& options);
  void RefuseOptions(telemetry::Reason reason, absl::string_view why);
  void AskForCertificate(ClientCertificate wanted);

  // net::StreamHandler, of the transport.
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status status) override;
  void OnDrained() override;
  // event::EndOfTurn
  void OnEndOfTurn() override;

  void Process();
  void Shake();
  void AskResponder();
  void FinishHandshake();
  void FailHandshake(telemetry::Reason reason, absl::StatusCode code, absl::string_view detail);
  void Report();
  bool AnythingToRead() const;
  void Pump();
  void DeliverEnd();
  void FailReading(const SslError& error);
  void FailIfTruncated();
  void SendCloseNotify();
  void Die(absl::Status status, telemetry::Reason reason);
  void Drop();

  // One of both; outlives ssl_.
  std::shared_ptr<const Context> context_;
  std::shared_ptr<const UpstreamContext> upstream_;
  std::unique_ptr<net::Stream> transport_;
  RecordBio bio_;
  bssl::UniquePtr<SSL> ssl_;
  const std::shared_ptr<LiveConnections> live_;  // Has it from its handshake's end to its own.
  std::unique_ptr<Handshaking> handshaking_;
  net::StreamHandler* handler_ = nullptr;
  HandshakeResult result_;
  absl::Status write_failure_;  // Reported at the end of the turn.
  ReadState read_state_ = ReadState::kOpen;
  telemetry::Reason close_reason_ = telemetry::Reason::kNone;
  bool reading_ = false;     // The handler wants data.
  bool processing_ = false;  // Process() is on the stack.
  bool transport_ended_ = false;
  bool writing_ended_ = false;
  bool closed_ = false;
};

}  // namespace kith::tls
