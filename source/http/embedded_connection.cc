#include "source/http/embedded_connection.h"

#include <utility>

#include "source/http/path.h"

namespace kith::http {

EmbeddedResponder::~EmbeddedResponder() {
  if (wanted()) Send(ErrorResponse(500, "the request was not answered"));
}

bool EmbeddedResponder::wanted() const { return link_ != nullptr && link_->connection != nullptr; }

void EmbeddedResponder::Send(EmbeddedResponse response) {
  if (!wanted()) return;
  EmbeddedConnection& connection = *std::exchange(link_->connection, nullptr);
  connection.Answer(response);
}

EmbeddedConnection::EmbeddedConnection(const EmbeddedServer::Options& options, Host& host,
                                       std::unique_ptr<net::Stream> stream)
    : options_(options),
      host_(host),
      stream_(std::move(stream)),
      timer_(stream_->loop(), [this] { OnTimeout(); }),
      parser_(Http1Parser::Kind::kRequest, *this) {}

EmbeddedConnection::~EmbeddedConnection() {
  if (link_ != nullptr) link_->connection = nullptr;
}

void EmbeddedConnection::Start() {
  stream_->SetHandler(this);
  if (options_.idle_timeout > absl::ZeroDuration()) timer_.Start(options_.idle_timeout);
  stream_->ResumeReading();
}

void EmbeddedConnection::OnData(absl::Span<const uint8_t> bytes) {
  if (!over_) Process(bytes);
}

// Handles requests one after the other, as far as they are answered at once and the client reads
// the answers; what comes after that waits in pending_, with reading paused, so it is bounded.
void EmbeddedConnection::Process(absl::Span<const uint8_t> bytes) {
  processing_ = true;
  while (!over_ && !bytes.empty()) {
    if (link_ != nullptr || stream_->write_blocked()) {
      pending_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      stream_->PauseReading();
      break;
    }
    const absl::StatusOr<size_t> taken = parser_.Feed(bytes);
    if (!taken.ok()) {
      Refuse(HttpStatus(parser_.error()), taken.status().message());
    } else if (refused_status_ != 0) {
      Refuse(refused_status_, refused_message_);
    } else {
      bytes.remove_prefix(*taken);
      if (std::exchange(complete_, false)) Dispatch();
    }
  }
  processing_ = false;
}

void EmbeddedConnection::ProcessPending() {
  const std::string bytes = std::exchange(pending_, std::string());
  Process(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  if (over_ || link_ != nullptr || !pending_.empty()) return;
  if (ended_) return Finish();
  stream_->ResumeReading();
}

void EmbeddedConnection::OnRequestHead(const RequestHead& head) {
  request_ = EmbeddedRequest();
  head_only_ = head.method == "HEAD";
  keep_alive_ = head.keep_alive;
  request_.method = std::string(head.method);
  for (const Header& header : head.headers) {
    request_.headers.emplace_back(std::string(header.name), std::string(header.value));
  }
  const auto refuse = [this](int status, absl::string_view message) {
    refused_status_ = status;
    refused_message_ = message;
    parser_.Pause();
  };
  if (head.is_connect) return refuse(405, "CONNECT is not served here");
  std::string normalized;
  const PathOutcome outcome =
      NormalizePath(PathMode::kDecodeAndMergeSlashes, head.path, normalized);
  if (IsRefused(outcome)) return refuse(400, "the path has a malformed escape or a null byte");
  request_.target = std::string(head.path);
  const absl::string_view target =
      outcome == PathOutcome::kChanged ? absl::string_view(normalized) : head.path;
  const size_t query = target.find('?');
  request_.path = std::string(target.substr(0, query));
  if (query != absl::string_view::npos && !DecodeQuery(target.substr(query + 1), request_.query)) {
    return refuse(400, "the query has a malformed escape");
  }
  if (head.framing.length > options_.max_body_bytes) {
    return refuse(413, "the request's body exceeds the limit");
  }
  if (head.expect_continue && head.framing.kind != BodyKind::kNone) {
    stream_->Write("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

void EmbeddedConnection::OnBody(absl::Span<const uint8_t> bytes) {
  if (request_.body.size() + bytes.size() > options_.max_body_bytes) {
    refused_status_ = 413;
    refused_message_ = "the request's body exceeds the limit";
    parser_.Pause();
    return;
  }
  request_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void EmbeddedConnection::OnMessageComplete() { complete_ = true; }

void EmbeddedConnection::Dispatch() {
  timer_.Stop();
  link_ = std::make_shared<EmbeddedResponder::Link>();
  link_->connection = this;
  const EmbeddedRequest request = std::exchange(request_, EmbeddedRequest());
  host_.Handle(request, EmbeddedResponder(link_));
}

void EmbeddedConnection::Answer(const EmbeddedResponse& response) {
  link_.reset();
  Write(response);
  if (!keep_alive_) {
    Finish();
    return;
  }
  output_at_last_check_ = 0;
  if (options_.idle_timeout > absl::ZeroDuration()) timer_.Start(options_.idle_timeout);
  if (!processing_) ProcessPending();
}

void EmbeddedConnection::Write(const EmbeddedResponse& response) {
  stream_->Write(RenderHead(response, options_.clock->Now(),
                            keep_alive_ ? AfterResponse::kKeepAlive : AfterResponse::kClose));
  const bool may_have_body = response.status != 204 && response.status != 304;
  if (may_have_body && !head_only_) stream_->Write(response.body);
}

void EmbeddedConnection::Refuse(int status, absl::string_view message) {
  keep_alive_ = false;
  head_only_ = false;
  Write(ErrorResponse(status, message));
  Finish();
}

void EmbeddedConnection::OnTimeout() {
  // A client that still takes its answer is not idle.
  const size_t output = stream_->buffered_output();
  if (output > 0 && (output_at_last_check_ == 0 || output < output_at_last_check_)) {
    output_at_last_check_ = output;
    timer_.Start(options_.idle_timeout);
    return;
  }
  if (output > 0 || parser_.idle()) {
    stream_->Close();
    Finish();
  } else {
    Refuse(408, "the request did not arrive in time");
  }
}

void EmbeddedConnection::OnEnd() {
  ended_ = true;
  // The answer being worked on is still wanted: a client may close its side after asking.
  if (link_ == nullptr && pending_.empty()) Finish();
}

void EmbeddedConnection::OnClosed(absl::Status) { Finish(); }

void EmbeddedConnection::OnDrained() {
  if (link_ == nullptr && !processing_ && !over_) ProcessPending();
}

void EmbeddedConnection::Finish() {
  if (over_) return;
  over_ = true;
  timer_.Stop();
  if (link_ != nullptr) link_->connection = nullptr;
  link_.reset();
  stream_->CloseAfterFlush();
  host_.OnConnectionOver(*this);
}

}  // namespace kith::http
