// Brings TLS into a database connection whose application speaks plaintext: asks the server for it
// as its protocol does (PostgreSQL's SSLRequest; MySQL's flag in the client's answer to the
// greeting), shakes hands, and lets the application believe that there is none.
//
// PostgreSQL: the server is asked first. An application that asks for encryption is told "no" and
// goes on in plaintext.
// MySQL: the server's greeting reaches the application without its offer of TLS; the application's
// answer is preceded by a request for TLS and sent over it. From there on to the end of
// authentication the server counts one packet more than the application.
//
// Threads: the streams' loop. Owns: both streams until it hands them over.
// Errors: Result::status with a reason: tls_not_offered, those of handshakes, or
// upstream_protocol_error. Bytes that come before TLS and are not asked for end the connection:
// somebody in between could have put them there.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "source/event/timer.h"
#include "source/mesh/tls_origination.h"
#include "source/net/stream.h"
#include "source/telemetry/reason.h"
#include "source/tls/tls_stream.h"

namespace kith::proxy {

class DatabaseTls : public event::Deletable {
 public:
  struct Result {
    absl::Status status;
    telemetry::Reason reason = telemetry::Reason::kNone;
    // When the status is OK: both are to be joined.
    std::unique_ptr<net::Stream> client;
    std::unique_ptr<net::Stream> server;
    std::vector<uint8_t> to_server;  // Came from the client already.
  };
  struct Options {
    std::unique_ptr<net::Stream> client;
    std::vector<uint8_t> first_bytes;  // Came from the client before.
    std::unique_ptr<net::Stream> server;
    mesh::InBandTls protocol = mesh::InBandTls::kPostgresql;
    tls::TlsStream::ClientOptions tls;
    absl::Duration timeout;  // Of each step.
    absl::AnyInvocable<void(const tls::HandshakeResult&)> shaken;
  };

  // Calls `done` once, never before the constructor returns; it then goes to Loop::DeleteLater().
  // Destroying it earlier closes both streams.
  DatabaseTls(Options options, absl::AnyInvocable<void(Result)> done);
  ~DatabaseTls() override;

 private:
  enum class Step : uint8_t {
    kAnswer,          // PostgreSQL: the server's byte.
    kStartup,         // PostgreSQL: the client's first message.
    kGreeting,        // MySQL: the server's.
    kClientAnswer,    // MySQL.
    kHandshake,       // TLS.
    kAuthentication,  // MySQL.
  };
  struct Side final : net::StreamHandler {
    void OnData(absl::Span<const uint8_t> bytes) override;
    void OnEnd() override;
    void OnClosed(absl::Status status) override;
    void OnDrained() override {}

    DatabaseTls* all = nullptr;
    std::unique_ptr<net::Stream> stream;
    std::vector<uint8_t> received;  // Not dealt with yet.
    const char* name = "";
  };

  void Enter(Step step);
  void Advance();
  void TakeAnswer();
  void TakeStartup();
  void TakeGreeting();
  void TakeClientAnswer();
  void StartTls();
  void OnShaken(const tls::HandshakeResult& handshake);
  void RelayAuthentication();
  // False when a packet was not taken: too little has come, or it was wrong.
  bool RelayPacket(Side& from, Side& to, int shift);
  void Finish();
  void Fail(absl::Status status, telemetry::Reason reason);

  Side client_;
  Side server_;
  const mesh::InBandTls protocol_;
  tls::TlsStream::ClientOptions tls_;
  const absl::Duration timeout_;
  absl::AnyInvocable<void(const tls::HandshakeResult&)> shaken_;
  absl::AnyInvocable<void(Result)> done_;
  Step step_ = Step::kAnswer;
  std::vector<uint8_t> client_answer_;  // MySQL: held until TLS is there.
  bool authenticated_ = false;
  event::Timer timer_;
};

}  // namespace kith::proxy
