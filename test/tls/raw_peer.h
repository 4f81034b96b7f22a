// A TLS peer that is not ours: BoringSSL as it is, over one end of a connection, so that it can do
// what a TlsStream never does.
// Threads: the test's. Owns: its stream and its SSL. Errors: noted.
#pragma once

#include <openssl/base.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "source/net/stream.h"
#include "test/support/temporary_ca.h"

namespace kith::tls {

// Presents `credential`'s chain, asks a client for a certificate, and accepts any.
bssl::UniquePtr<SSL_CTX> RawContext(const test::Credential& credential);
// Presents nothing, accepts any.
bssl::UniquePtr<SSL_CTX> RawContext();

class RawPeer final : public net::StreamHandler {
 public:
  enum class Side { kClient, kServer };
  RawPeer(std::unique_ptr<net::Stream> stream, SSL_CTX* context, Side side);

  // A client's first flight.
  void Start() { Advance(); }
  // Collects what is to be sent instead of sending it, until Flush().
  void Hold() { held_ = true; }
  void Flush();
  // Encrypted, after the handshake.
  void Write(absl::string_view text);
  // Whatever BoringSSL has queued, such as key updates.
  void WriteNothing();

  SSL* ssl() { return ssl_.get(); }
  net::Stream& stream() { return *stream_; }
  bool done() const { return done_; }
  // The handshake, or a read after it, has failed.
  bool failed() const { return failed_; }
  // That it has received, or -1.
  int alert() const { return alert_; }
  const std::string& received() const { return received_; }
  bool close_notify() const { return close_notify_; }
  bool transport_ended() const { return transport_ended_; }
  const absl::optional<absl::Status>& closed() const { return closed_; }

  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override { transport_ended_ = true; }
  void OnClosed(absl::Status status) override { closed_ = std::move(status); }
  void OnDrained() override {}

 private:
  void Advance();
  void NoteFailure(int result);

  std::unique_ptr<net::Stream> stream_;
  bssl::UniquePtr<SSL> ssl_;
  BIO* in_;  // The SSL owns both.
  BIO* out_;
  bool held_ = false;
  bool done_ = false;
  bool failed_ = false;
  int alert_ = -1;
  std::string received_;
  bool close_notify_ = false;
  bool transport_ended_ = false;
  absl::optional<absl::Status> closed_;
};

}  // namespace kith::tls
