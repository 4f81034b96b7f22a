#include "source/kubernetes/api_client.h"

#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"
#include "source/https/dial.h"
#include "source/https/tls_socket.h"
#include "source/kubernetes/json_read.h"

namespace kith::kubernetes {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(500);

// The words of a Status object, or the beginning of whatever the body is.
std::string Words(const std::string& body) {
  const nlohmann::json json = ParseJson(body);
  const std::string message = Text(&json, "message");
  return message.empty() ? body.substr(0, 200) : message;
}

absl::Status Failure(int status, const std::string& body) {
  const std::string text = absl::StrCat("the API server answers ", status, ": ", Words(body));
  switch (status) {
    case 401:
      return absl::UnauthenticatedError(text);
    case 403:
      return absl::PermissionDeniedError(absl::StrCat(text, "; do the caller's roles allow it?"));
    case 404:
      return absl::NotFoundError(text);
    case 409:
      return absl::AlreadyExistsError(text);
    case 410:
      return absl::OutOfRangeError(text);
    default:
      return absl::UnavailableError(text);
  }
}

}  // namespace

// One request and its answer.
struct ApiClient::Exchange final : public http::Http1Handler {
  std::string method = "GET";
  std::string target;
  absl::string_view body;
  absl::Duration idle;                             // Between bytes; zero: one deadline for all.
  std::function<bool(absl::string_view)> on_line;  // Set: a stream of lines.
  size_t max_bytes = 0;

  int status = 0;
  absl::Time date = absl::InfinitePast();
  std::string received;  // What has come of the body, or of its present line.
  bool complete = false;
  bool stopped = false;  // By on_line.
  bool too_large = false;

  void OnResponseHead(const http::ResponseHead& head) override {
    if (head.is_informational()) return;
    status = head.status;
    if (const http::Header* said = head.Find("date"); said != nullptr) {
      std::string error;
      if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", said->value, &date, &error)) {
        date = absl::InfinitePast();
      }
    }
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    const absl::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    too_large |= received.size() + text.size() > max_bytes;
    if (too_large || stopped) return;
    absl::StrAppend(&received, text);
    if (on_line == nullptr || status != 200 || !absl::StrContains(text, '\n')) return;
    size_t begin = 0;
    for (size_t end; !stopped && (end = received.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      const absl::string_view line = absl::string_view(received).substr(begin, end - begin);
      if (!line.empty()) stopped = !on_line(line);
    }
    received.erase(0, begin);
  }
  void OnMessageComplete() override { complete = true; }
};

absl::StatusOr<ApiClient::Options> ApiClient::Options::InCluster() {
  Options options;
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  uint32_t number = 0;
  if (host == nullptr || port == nullptr || !absl::SimpleAtoi(port, &number) || number == 0 ||
      number > 65535) {
    return absl::FailedPreconditionError(
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name no API server; does this run in "
        "a pod?");
  }
  options.host = host;
  options.port = static_cast<uint16_t>(number);
  return options;
}

absl::StatusOr<std::string> ApiClient::Head(const Exchange& exchange) const {
  std::string token = options_.token;
  if (token.empty() && !options_.token_file.empty()) {
    KITH_ASSIGN_OR_RETURN(token, config::ReadFile(options_.token_file));
  }
  std::string request;
  bool sound =
      http::WriteRequestLine(exchange.method, exchange.target, request) &&
      http::WriteHeader("Host", absl::StrCat(options_.host, ":", options_.port), request) &&
      http::WriteHeader("Accept", "application/json", request) &&
      http::WriteHeader("User-Agent", options_.user_agent, request) &&
      http::WriteHeader("Connection", "close", request);
  if (!token.empty()) {
    sound = sound &&
            http::WriteHeader("Authorization",
                              absl::StrCat("Bearer ", absl::StripAsciiWhitespace(token)), request);
  }
  if (!exchange.body.empty()) {
    const bool patches = exchange.method == "PATCH";
    sound =
        sound &&
        http::WriteHeader("Content-Type",
                          patches ? "application/merge-patch+json" : "application/json", request) &&
        http::WriteHeader("Content-Length", absl::StrCat(exchange.body.size()), request);
  }
  if (!sound) return absl::InvalidArgumentError("the token or the path holds a control character");
  http::EndHead(request);
  return request;
}

absl::Status ApiClient::Run(Exchange& exchange) const {
  exchange.max_bytes = options_.max_answer_bytes;
  KITH_ASSIGN_OR_RETURN(const std::string request, Head(exchange));
  const absl::Time deadline = absl::Now() + options_.timeout;
  KITH_ASSIGN_OR_RETURN(
      const int fd, https::Dial(options_.host, options_.port, https::Reach::kAnywhere, deadline));
  https::TlsSocket socket(fd, deadline);
  const std::string& name = options_.server_name.empty() ? options_.host : options_.server_name;
  KITH_RETURN_IF_ERROR(socket.Connect(
      {.host = name,
       .ca_file = options_.ca_file,
       .ca_pem = options_.ca_pem,
       .chain_pem = options_.chain_pem,
       .key_pem = options_.key_pem,
       .hint = absl::StrCat("does the API server's certificate name ", name, " and chain to ",
                            options_.ca_pem.empty() ? options_.ca_file : "the kubeconfig's roots",
                            "?")}));
  KITH_RETURN_IF_ERROR(socket.Send(request));
  KITH_RETURN_IF_ERROR(socket.Send(exchange.body));

  http::Http1Parser parser(http::Http1Parser::Kind::kResponse, exchange);
  parser.ExpectResponse({});
  std::vector<uint8_t> buffer(64 * 1024);
  absl::Time last = absl::Now();
  while (!exchange.complete && !exchange.stopped) {
    const bool streams = exchange.on_line != nullptr && exchange.status == 200;
    // A stream is looked after more often, so that it can be stopped from outside.
    if (streams) socket.set_deadline(absl::Now() + kLookInterval);
    const absl::StatusOr<size_t> size = socket.Receive(absl::MakeSpan(buffer));
    if (streams && absl::IsDeadlineExceeded(size.status())) {
      if (absl::Now() - last > exchange.idle) return size.status();
      exchange.stopped = !exchange.on_line("");
      continue;
    }
    if (!size.ok()) return size.status();
    if (*size == 0) {
      KITH_RETURN_IF_ERROR(parser.FinishOnEof());
      if (!exchange.complete) return absl::UnavailableError("the answer ends early");
      break;
    }
    last = absl::Now();
    KITH_RETURN_IF_ERROR(parser.Feed(absl::MakeConstSpan(buffer.data(), *size)).status());
    if (exchange.too_large) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the answer has more than ", exchange.max_bytes, " bytes"));
    }
  }
  if (exchange.status / 100 != 2) return Failure(exchange.status, exchange.received);
  return absl::OkStatus();
}

absl::StatusOr<ApiClient::Answer> ApiClient::Ask(const std::string& method,
                                                 const std::string& target,
                                                 absl::string_view body) const {
  Exchange exchange;
  exchange.method = method;
  exchange.target = target;
  exchange.body = body;
  if (absl::Status done = Run(exchange); !done.ok()) {
    return base::Annotate(done, absl::StrCat(method, " ", target));
  }
  return Answer{std::move(exchange.received), exchange.date};
}

absl::StatusOr<std::string> ApiClient::Call(const std::string& method, const std::string& target,
                                            absl::string_view body) const {
  KITH_ASSIGN_OR_RETURN(Answer answer, Ask(method, target, body));
  return std::move(answer.body);
}

absl::Status ApiClient::Stream(const std::string& target, absl::Duration idle,
                               const std::function<bool(absl::string_view)>& line) const {
  Exchange exchange;
  exchange.target = target;
  exchange.idle = idle;
  exchange.on_line = line;
  return base::Annotate(Run(exchange), absl::StrCat("GET ", target));
}

}  // namespace kith::kubernetes
