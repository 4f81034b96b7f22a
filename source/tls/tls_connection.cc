#include "source/tls/tls_connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/check.h"
#include "source/telemetry/reason_status.h"
#include "source/tls/ssl_error.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

// A read with room for a whole record leaves nothing decrypted inside BoringSSL.
constexpr size_t kMaxPlaintext = SSL3_RT_MAX_PLAIN_LENGTH;

std::string EncodeAlpn(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    KITH_CHECK(!protocol.empty() && protocol.size() < 256, "an ALPN name has 1 to 255 bytes");
    wire.push_back(static_cast<char>(protocol.size()));
    wire += protocol;
  }
  return wire;
}

// The names of an ALPN list as a client sent it, which may be cut short.
std::string AlpnText(const std::vector<uint8_t>& wire) {
  std::string text;
  for (size_t at = 0; at < wire.size(); at += size_t{1} + wire[at]) {
    const size_t size = std::min<size_t>(wire[at], wire.size() - at - 1);
    const absl::string_view name(reinterpret_cast<const char*>(wire.data()) + at + 1, size);
    absl::StrAppend(&text, text.empty() ? "" : ", ", absl::CHexEscape(name));
  }
  return text;
}

}  // namespace

TlsConnection::TlsConnection(std::unique_ptr<net::Stream> transport,
                             std::shared_ptr<const Context> context, SSL_CTX* ssl_context,
                             absl::Duration timeout, std::shared_ptr<LiveConnections> live,
                             HandshakeCallback done)
    : context_(std::move(context)),
      transport_(std::move(transport)),
      bio_(*transport_),
      ssl_(SSL_new(ssl_context)),
      live_(std::move(live)) {
  handshaking_ = std::make_unique<Handshaking>(loop(), [this] {
    FailHandshake(
        Reason::kHandshakeTimeout, absl::StatusCode::kDeadlineExceeded,
        absl::StrCat("not done after ", absl::FormatDuration(handshaking_->timeout), ", ",
                     bytes_received(), " bytes received; is the peer overloaded, or no TLS peer?"));
  });
  handshaking_->done = std::move(done);
  handshaking_->timeout = timeout;
  handshaking_->state.context = context_.get();
  if (context_ != nullptr) handshaking_->state.rules = &context_->rules().peer;
  if (live_ != nullptr) handshaking_->state.verified = &live_->verified();
  handshaking_->timer.Start(timeout);
  KITH_CHECK(ssl_ != nullptr && bio_.Attach(ssl_.get()), "no memory for a TLS connection");
  SSL_set_app_data(ssl_.get(), &handshaking_->state);
  SSL_set_shed_handshake_config(ssl_.get(), 1);
  transport_->SetHandler(this);
  transport_->ResumeReading();
  // The first flight, or the bytes peeked at; `done` must not fire before the caller has the
  // stream.
  loop().AtEndOfTurn(*this);
}

TlsConnection::TlsConnection(std::unique_ptr<net::Stream> transport, ServerOptions options,
                             HandshakeCallback done)
    : TlsConnection(std::move(transport), options.context, options.context->server(),
                    options.handshake_timeout, options.live, std::move(done)) {
  handshaking_->state.peer_role = PeerRole::kClient;
  handshaking_->state.alpn = std::move(options.alpn);
  SSL_set_accept_state(ssl_.get());
  AskForCertificate(options.client_certificate);
  bio_.SetInput(options.first_bytes);
  bio_.SaveInput();
}

TlsConnection::TlsConnection(std::unique_ptr<net::Stream> transport, ClientOptions options,
                             HandshakeCallback done)
    : TlsConnection(
          std::move(transport), options.context,
          options.upstream != nullptr ? options.upstream->client() : options.context->client(),
          options.handshake_timeout, options.live, std::move(done)) {
  upstream_ = options.upstream;
  handshaking_->state.upstream = upstream_.get();
  handshaking_->state.peer_role = PeerRole::kServer;
  handshaking_->state.expected = options.expected;
  SSL_set_connect_state(ssl_.get());
  PrepareClient(options);
}

void TlsConnection::PrepareClient(const ClientOptions& options) {
  if (options.upstream == nullptr && options.expected.empty()) {
    RefuseOptions(Reason::kWrongSan,
                  "no identity is expected of the server; has its service no principals?");
  }
  ERR_clear_error();
  if (!options.sni.empty() && SSL_set_tlsext_host_name(ssl_.get(), options.sni.c_str()) != 1) {
    RefuseOptions(Reason::kInternal, "the server name to send (SNI) is longer than 255 bytes");
  }
  result_.sni = options.sni;
  const std::string alpn = EncodeAlpn(options.alpn);
  // It returns zero when all is well.
  if (SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const uint8_t*>(alpn.data()),
                          static_cast<unsigned>(alpn.size())) != 0) {
    RefuseOptions(Reason::kInternal, "the protocols to offer (ALPN) are too many");
  }
  ERR_clear_error();
}

void TlsConnection::AskForCertificate(ClientCertificate wanted) {
  int mode = SSL_VERIFY_NONE;
  if (wanted == ClientCertificate::kWant) mode = SSL_VERIFY_PEER;
  if (wanted == ClientCertificate::kRequire) {
    mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_set_custom_verify(ssl_.get(), mode, &CheckPeerOf);
}

void TlsConnection::RefuseOptions(Reason reason, absl::string_view why) {
  handshaking_->refused = absl::InvalidArgumentError(why);
  handshaking_->refused_reason = reason;
}

TlsConnection::~TlsConnection() {
  if (live_ != nullptr) live_->Remove(*this);
}

// ---- The transport's callbacks ----

void TlsConnection::OnData(absl::Span<const uint8_t> bytes) {
  bio_.SetInput(bytes);
  Process();
  if (!closed_) bio_.SaveInput();
}

void TlsConnection::OnEnd() {
  transport_ended_ = true;
  Process();
}

void TlsConnection::OnClosed(absl::Status status) {
  transport_ended_ = true;
  if (!status.ok() && handshaking_ != nullptr) {
    FailHandshake(Reason::kPeerClosed, status.code(), status.message());
  } else if (!status.ok()) {
    Die(std::move(status), Reason::kConnectionReset);
  } else {
    Process();  // What is still to be delivered decides how this ends.
  }
}

void TlsConnection::OnDrained() {
  if (handler_ != nullptr && handshaking_ == nullptr) handler_->OnDrained();
}

void TlsConnection::OnEndOfTurn() {
  if (!write_failure_.ok()) return Die(std::move(write_failure_), Reason::kInternal);
  Process();
  if (read_state_ == ReadState::kEnded && writing_ended_) Die(absl::OkStatus(), Reason::kNone);
}

void TlsConnection::Process() {
  if (closed_ || processing_) return;
  processing_ = true;
  if (handshaking_ != nullptr) Shake();
  if (!closed_ && handshaking_ == nullptr) Pump();
  processing_ = false;
}

// ---- Handshake ----

void TlsConnection::Shake() {
  if (const absl::Status refused = handshaking_->refused; !refused.ok()) {
    return FailHandshake(handshaking_->refused_reason, refused.code(), refused.message());
  }
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return FinishHandshake();
  const int wanted = SSL_get_error(ssl_.get(), result);
  if (wanted == SSL_ERROR_WANT_CERTIFICATE_VERIFY) return AskResponder();
  if (wanted == SSL_ERROR_WANT_READ) {
    if (!transport_ended_) return;
    return FailHandshake(Reason::kPeerClosed, absl::StatusCode::kUnavailable,
                         absl::StrCat("the peer closed the connection after ", bytes_received(),
                                      " bytes; what does its log say?"));
  }
  const SslError error = TakeSslError();
  const PeerVerdict& verdict = handshaking_->state.verdict;
  if (!verdict.status.ok()) {
    return FailHandshake(verdict.reason, verdict.status.code(), verdict.status.message());
  }
  std::string text = error.Text();
  if (error.reason() == Reason::kNoSharedAlpn && !handshaking_->state.refused_alpn.empty()) {
    absl::StrAppend(&text, ": it offers ", AlpnText(handshaking_->state.refused_alpn),
                    ", and spoken here is ", absl::StrJoin(handshaking_->state.alpn, ", "));
  }
  FailHandshake(error.reason(), absl::StatusCode::kUnauthenticated, text);
}

// Its peer's certificate has been verified; what may still say that it is revoked is asked, within
// the handshake's own time at most.
void TlsConnection::AskResponder() {
  if (handshaking_->waiting != nullptr) return;
  const HandshakeState& state = handshaking_->state;
  Responders* responders = state.upstream != nullptr ? state.upstream->responders()
                                                     : state.context->options().responders;
  // What the peer goes on to send waits in the kernel.
  transport_->PauseReading();
  handshaking_->waiting = responders->Ask(*state.question, loop(),
                                          [this](std::shared_ptr<const Responders::Answer> answer) {
                                            handshaking_->state.answer = std::move(answer);
                                            transport_->ResumeReading();
                                            Process();
                                          });
}

void TlsConnection::FinishHandshake() {
  const uint8_t* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &alpn, &alpn_size);
  result_.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  result_.version = SSL_get_version(ssl_.get());
  if (live_ != nullptr) live_->Add(*this);
  Report();
  // Nothing more is read for a handler that has not asked.
  if (!closed_ && !reading_) transport_->PauseReading();
}

void TlsConnection::FailHandshake(Reason reason, absl::StatusCode code, absl::string_view detail) {
  result_.status =
      absl::Status(code, absl::StrCat("handshake with ", remote().ToString(), ": ", detail));
  result_.reason = reason;
  closed_ = true;
  handler_ = nullptr;
  // It sends the alert that BoringSSL has written, if any.
  transport_->CloseAfterFlush();
  Report();
}

void TlsConnection::Report() {
  std::unique_ptr<Handshaking> over = std::move(handshaking_);
  SSL_set_app_data(ssl_.get(), nullptr);
  result_.peer = std::move(over->state.verdict.peer);
  if (result_.peer) result_.peer->issuer.reset();
  result_.duration = absl::FromChrono(std::chrono::steady_clock::now() - over->started);
  if (SSL_is_server(ssl_.get())) {
    const char* sni = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    if (sni != nullptr) result_.sni = sni;
  }
  HandshakeCallback done = std::move(over->done);
  over.reset();
  done(result_);
}

// ---- Reading ----

void TlsConnection::SetHandler(net::StreamHandler* handler) {
  if (!closed_) handler_ = handler;
}

void TlsConnection::ResumeReading() {
  if (closed_) return;
  KITH_CHECK(handler_ != nullptr, "a stream without a handler is to be read");
  if (reading_) return;
  reading_ = true;
  if (handshaking_ != nullptr) return;  // Which reads anyway.
  transport_->ResumeReading();
  // Never from inside this call, which may come from within the handler.
  if (!processing_ && AnythingToRead()) loop().AtEndOfTurn(*this);
}

void TlsConnection::PauseReading() {
  if (closed_ || !reading_) return;
  reading_ = false;
  if (handshaking_ == nullptr) transport_->PauseReading();
}

bool TlsConnection::AnythingToRead() const {
  return bio_.available() > 0 || read_state_ == ReadState::kEndPending || transport_ended_;
}

void TlsConnection::Pump() {
  const absl::Span<uint8_t> scratch = loop().plaintext_scratch();
  while (reading_ && read_state_ == ReadState::kOpen) {
    size_t got = 0;
    int error = SSL_ERROR_NONE;
    while (error == SSL_ERROR_NONE && bio_.available() > 0 &&
           scratch.size() - got >= kMaxPlaintext) {
      ERR_clear_error();
      const int result = SSL_read(ssl_.get(), scratch.data() + got, kMaxPlaintext);
      if (result > 0) {
        got += static_cast<size_t>(result);
      } else {
        error = SSL_get_error(ssl_.get(), result);
      }
    }
    if (error == SSL_ERROR_ZERO_RETURN) read_state_ = ReadState::kEndPending;
    const bool failed =
        error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN;
    // Taken now: the handler's own writes use the same queue.
    const SslError why = failed ? TakeSslError() : SslError();
    if (got > 0) handler_->OnData(scratch.subspan(0, got));
    if (closed_) return;
    if (failed) return FailReading(why);
    if (bio_.available() == 0) break;
  }
  if (!reading_) return;
  if (read_state_ == ReadState::kEndPending) return DeliverEnd();
  if (transport_ended_) FailIfTruncated();
}

void TlsConnection::DeliverEnd() {
  read_state_ = ReadState::kEnded;
  handler_->OnEnd();
  if (!closed_ && writing_ended_) Die(absl::OkStatus(), Reason::kNone);
}

void TlsConnection::FailReading(const SslError& error) {
  // BoringSSL has written the alert for the peer; dying flushes it.
  const Reason reason = error.reason();
  absl::Status status =
      absl::UnavailableError(absl::StrCat("read ", remote().ToString(), ": ", error.Text()));
  // An alert after the handshake is the peer's word on it: a server of TLS 1.3 looks at our
  // certificate only now.
  if (reason == Reason::kAlertReceived) status = telemetry::WithReason(std::move(status), reason);
  Die(std::move(status), reason);
}

void TlsConnection::FailIfTruncated() {
  if (read_state_ != ReadState::kOpen) return;
  Die(absl::UnavailableError(absl::StrCat(
          "read ", remote().ToString(),
          ": truncated: the peer closed the connection without saying so (close_notify)")),
      Reason::kConnectionReset);
}

// ---- Writing ----

void TlsConnection::Write(absl::Span<const uint8_t> bytes) {
  if (closed_ || writing_ended_ || bytes.empty() || !write_failure_.ok()) return;
  KITH_CHECK(handshaking_ == nullptr, "a TLS stream is written to before its handshake is done");
  KITH_CHECK(bytes.size() <= std::numeric_limits<int>::max(), "one write has less than 2 GiB");
  ERR_clear_error();
  // The BIO takes everything, so neither a part nor a second try is possible.
  if (SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0) return;
  write_failure_ =
      absl::InternalError(absl::StrCat("write ", remote().ToString(), ": ", TakeSslError().Text()));
  loop().AtEndOfTurn(*this);
}

void TlsConnection::Write(base::ByteChain&& bytes) {
  while (!bytes.empty()) {
    const absl::Span<const uint8_t> front = bytes.Front();
    Write(front);
    bytes.Consume(front.size());
  }
}

void TlsConnection::SendCloseNotify() {
  if (writing_ended_ || handshaking_ != nullptr) return;
  writing_ended_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsConnection::EndWriting() {
  if (closed_ || writing_ended_) return;
  KITH_CHECK(handshaking_ == nullptr, "a TLS stream is ended before its handshake is done");
  SendCloseNotify();
  transport_->EndWriting();
  if (read_state_ == ReadState::kEnded) loop().AtEndOfTurn(*this);
}

// ---- The end ----

void TlsConnection::CloseAfterFlush() {
  if (closed_) return;
  SendCloseNotify();
  Drop();
  transport_->CloseAfterFlush();
}

void TlsConnection::Close() {
  if (closed_) return;
  Drop();
  transport_->Close();
}

void TlsConnection::Reset() {
  if (closed_) return;
  Drop();
  transport_->Reset();
}

void TlsConnection::EndUntrusted(const Standing& standing) {
  if (closed_) return;
  close_reason_ = standing.reason;
  net::StreamHandler* handler = handler_;
  const absl::Status status = telemetry::WithReason(
      absl::UnavailableError(absl::StrCat("connection with ", remote().ToString(),
                                          " ended: ", standing.status.message())),
      standing.reason);
  Drop();
  transport_->Reset();
  if (handler != nullptr) handler->OnClosed(status);
}

void TlsConnection::Drop() {
  closed_ = true;
  if (live_ != nullptr) live_->Remove(*this);
  handler_ = nullptr;
  if (handshaking_ == nullptr) return;
  SSL_set_app_data(ssl_.get(), nullptr);
  handshaking_.reset();
}

void TlsConnection::Die(absl::Status status, Reason reason) {
  if (closed_) return;
  close_reason_ = reason;
  net::StreamHandler* handler = handler_;
  Drop();
  transport_->CloseAfterFlush();
  if (handler != nullptr) handler->OnClosed(std::move(status));
}

std::unique_ptr<TlsStream> TlsStream::Accept(std::unique_ptr<net::Stream> transport,
                                             ServerOptions options, HandshakeCallback done) {
  return std::make_unique<TlsConnection>(std::move(transport), std::move(options), std::move(done));
}

std::unique_ptr<TlsStream> TlsStream::Connect(std::unique_ptr<net::Stream> transport,
                                              ClientOptions options, HandshakeCallback done) {
  return std::make_unique<TlsConnection>(std::move(transport), std::move(options), std::move(done));
}

}  // namespace kith::tls
