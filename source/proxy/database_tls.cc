#include "source/proxy/database_tls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/proxy/mysql_packet.h"
#include "source/proxy/postgresql_start.h"
#include "source/telemetry/reason_status.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

// A packet with its header, and what may come right behind it.
constexpr size_t kMaxReceived = 2 * kMaxMysqlPacket;

void Consume(std::vector<uint8_t>& bytes, size_t count) {
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

DatabaseTls::DatabaseTls(Options options, absl::AnyInvocable<void(Result)> done)
    : protocol_(options.protocol),
      tls_(std::move(options.tls)),
      timeout_(options.timeout),
      shaken_(std::move(options.shaken)),
      done_(std::move(done)),
      timer_(options.server->loop(), [this] {
        Fail(absl::DeadlineExceededError(absl::StrCat(server_.stream->remote().ToString(),
                                                      ": no TLS after ",
                                                      absl::FormatDuration(timeout_),
                                                      "; is it a database of the protocol "
                                                      "that the service's port declares?")),
             Reason::kHandshakeTimeout);
      }) {
  client_.all = server_.all = this;
  client_.stream = std::move(options.client);
  client_.received = std::move(options.first_bytes);
  client_.name = "the application";
  server_.stream = std::move(options.server);
  server_.name = "the database";
  client_.stream->SetHandler(&client_);
  server_.stream->SetHandler(&server_);
  if (protocol_ == mesh::InBandTls::kPostgresql) {
    server_.stream->Write(kPostgresqlTlsRequest);
    Enter(Step::kAnswer);
  } else {
    Enter(Step::kGreeting);
  }
  server_.stream->ResumeReading();
}

DatabaseTls::~DatabaseTls() {
  // Handed over, or gone together.
  if (client_.stream != nullptr) client_.stream->Close();
  if (server_.stream != nullptr) server_.stream->Close();
}

void DatabaseTls::Enter(Step step) {
  step_ = step;
  timer_.Start(timeout_);
}

void DatabaseTls::Side::OnData(absl::Span<const uint8_t> bytes) {
  if (!all->done_) return;
  received.insert(received.end(), bytes.begin(), bytes.end());
  all->Advance();
  if (all->done_ && received.size() > kMaxReceived) {
    all->Fail(absl::InvalidArgumentError(absl::StrCat(name, " sends too much before it may")),
              Reason::kUpstreamProtocolError);
  }
}

void DatabaseTls::Side::OnEnd() {
  all->Fail(absl::UnavailableError(absl::StrCat(name, " ended the connection while it began")),
            all->step_ == Step::kHandshake ? Reason::kPeerClosed : Reason::kUpstreamReset);
}

void DatabaseTls::Side::OnClosed(absl::Status status) {
  all->Fail(absl::UnavailableError(absl::StrCat(name, ": ", status.message())),
            telemetry::ReasonOf(status, Reason::kUpstreamReset));
}

void DatabaseTls::Advance() {
  switch (step_) {
    case Step::kAnswer:
      return TakeAnswer();
    case Step::kStartup:
      return TakeStartup();
    case Step::kGreeting:
      return TakeGreeting();
    case Step::kClientAnswer:
      return TakeClientAnswer();
    case Step::kHandshake:
      return;  // What the client sends meanwhile waits.
    case Step::kAuthentication:
      return RelayAuthentication();
  }
}

// ---- PostgreSQL ----

void DatabaseTls::TakeAnswer() {
  if (server_.received.empty()) return;
  if (server_.received.front() != kPostgresqlTlsAccepted) {
    return Fail(absl::FailedPreconditionError(absl::StrCat("PostgreSQL at ",
                                                           server_.stream->remote().ToString(),
                                                           " declines TLS; is ssl on there?")),
                Reason::kTlsNotOffered);
  }
  if (server_.received.size() > 1) {
    return Fail(absl::InvalidArgumentError("the database sends bytes between its consent to TLS "
                                           "and TLS; is somebody in between?"),
                Reason::kUpstreamProtocolError);
  }
  server_.received.clear();
  StartTls();
}

void DatabaseTls::TakeStartup() {
  for (;;) {
    switch (RecognizePostgresqlStart(client_.received)) {
      case PostgresqlStart::kMore:
        return;
      case PostgresqlStart::kEncryption:
        client_.stream->Write(kPostgresqlTlsDeclined);
        Consume(client_.received, kPostgresqlTlsRequest.size());
        break;
      case PostgresqlStart::kOther:
        return Finish();
    }
  }
}

// ---- MySQL ----

void DatabaseTls::TakeGreeting() {
  auto packet = ReadMysqlPacket(server_.received);
  if (!packet.ok()) return Fail(packet.status(), Reason::kUpstreamProtocolError);
  if (!packet->has_value()) return;
  const MysqlPacket& greeting = **packet;
  if (IsMysqlError(greeting.payload)) {
    // The database's own words: too many connections, a blocked host.
    client_.stream->Write(server_.received);
    return Fail(absl::UnavailableError("the database refuses the connection in its greeting"),
                Reason::kUpstreamReset);
  }
  auto without = WithoutMysqlTls(greeting.payload);
  if (!without.ok()) {
    return Fail(without.status(), absl::IsFailedPrecondition(without.status())
                                      ? Reason::kTlsNotOffered
                                      : Reason::kUpstreamProtocolError);
  }
  client_.stream->Write(WriteMysqlPacket(greeting.sequence, *without));
  Consume(server_.received, greeting.size);
  Enter(Step::kClientAnswer);
  client_.stream->ResumeReading();
  TakeClientAnswer();
}

void DatabaseTls::TakeClientAnswer() {
  if (!server_.received.empty()) {
    return Fail(absl::InvalidArgumentError("the database sends bytes behind its greeting, before "
                                           "TLS; is somebody in between?"),
                Reason::kUpstreamProtocolError);
  }
  auto packet = ReadMysqlPacket(client_.received);
  if (!packet.ok()) return Fail(packet.status(), Reason::kBadRequest);
  if (!packet->has_value()) return;
  auto answer = WithMysqlTls((*packet)->payload);
  if (!answer.ok()) return Fail(answer.status(), Reason::kBadRequest);
  const uint8_t sequence = (*packet)->sequence;
  client_answer_ = *std::move(answer);
  Consume(client_.received, (*packet)->size);
  server_.stream->Write(WriteMysqlPacket(sequence, MysqlTlsRequest(client_answer_)));
  StartTls();
}

void DatabaseTls::RelayAuthentication() {
  while (!authenticated_ && RelayPacket(server_, client_, -1)) {
  }
  while (!authenticated_ && done_ && RelayPacket(client_, server_, 1)) {
  }
  if (authenticated_ && done_) Finish();
}

bool DatabaseTls::RelayPacket(Side& from, Side& to, int shift) {
  auto packet = ReadMysqlPacket(from.received);
  if (!packet.ok()) {
    Fail(packet.status(), Reason::kUpstreamProtocolError);
    return false;
  }
  if (!packet->has_value()) return false;
  const auto sequence = static_cast<uint8_t>((*packet)->sequence + shift);
  to.stream->Write(WriteMysqlPacket(sequence, (*packet)->payload));
  authenticated_ = &from == &server_ && EndsMysqlAuthentication((*packet)->payload);
  Consume(from.received, (*packet)->size);
  return true;
}

// ---- TLS ----

void DatabaseTls::StartTls() {
  Enter(Step::kHandshake);
  timer_.Stop();  // The handshake has its own limit.
  tls_.handshake_timeout = timeout_;
  server_.stream = tls::TlsStream::Connect(
      std::move(server_.stream), std::move(tls_),
      [this](const tls::HandshakeResult& handshake) { OnShaken(handshake); });
}

void DatabaseTls::OnShaken(const tls::HandshakeResult& handshake) {
  shaken_(handshake);
  if (!handshake.status.ok()) return Fail(handshake.status, handshake.reason);
  server_.stream->SetHandler(&server_);
  if (protocol_ == mesh::InBandTls::kPostgresql) {
    Enter(Step::kStartup);
    client_.stream->ResumeReading();
    return TakeStartup();
  }
  // The application has not counted the request for TLS.
  server_.stream->Write(WriteMysqlPacket(2, client_answer_));
  client_answer_.clear();
  Enter(Step::kAuthentication);
  server_.stream->ResumeReading();
  RelayAuthentication();
}

// ---- The end ----

void DatabaseTls::Finish() {
  timer_.Stop();
  client_.stream->PauseReading();
  server_.stream->PauseReading();
  if (!server_.received.empty()) client_.stream->Write(server_.received);
  Result result;
  result.client = std::move(client_.stream);
  result.server = std::move(server_.stream);
  result.to_server = std::move(client_.received);
  std::exchange(done_, nullptr)(std::move(result));
}

void DatabaseTls::Fail(absl::Status status, Reason reason) {
  if (!done_) return;
  timer_.Stop();
  client_.stream->CloseAfterFlush();
  server_.stream->Reset();
  Result result;
  result.status = std::move(status);
  result.reason = reason;
  std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace kith::proxy
