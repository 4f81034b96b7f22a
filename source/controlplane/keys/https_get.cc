#include "source/controlplane/keys/https_get.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/ip.h"
#include "source/base/status.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"
#include "source/https/dial.h"
#include "source/https/tls_socket.h"

namespace kith::controlplane {
namespace {

class Receiver final : public http::Http1Handler {
 public:
  explicit Receiver(size_t max_bytes) : max_bytes_(max_bytes) {}
  void OnResponseHead(const http::ResponseHead& head) override {
    if (!head.is_informational()) status = head.status;
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    too_large |= body.size() + bytes.size() > max_bytes_;
    if (!too_large) body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void OnMessageComplete() override { complete = true; }

  int status = 0;
  std::string body;
  bool complete = false;
  bool too_large = false;

 private:
  const size_t max_bytes_;
};

}  // namespace

absl::StatusOr<std::string> HttpsGet::Run() const {
  const absl::Time deadline = absl::Now() + timeout;
  std::string request;
  const std::string authority = base::BracketHost(host);
  const bool default_port = port == (security == Security::kTls ? 443 : 80);
  if (!http::WriteRequestLine("GET", target, request) ||
      !http::WriteHeader("Host", default_port ? authority : absl::StrCat(authority, ":", port),
                         request) ||
      !http::WriteHeader("Accept", "application/json", request) ||
      !http::WriteHeader("Connection", "close", request)) {
    return absl::InvalidArgumentError("the URL holds what HTTP does not allow");
  }
  http::EndHead(request);
  KITH_ASSIGN_OR_RETURN(const int fd, https::Dial(host, port, reach, deadline));
  https::TlsSocket transport(fd, deadline);
  if (security == Security::kTls) {
    https::TlsSocket::ClientOptions options = {.host = host, .ca_file = ca_file, .verify = verify};
    if (!verify) {
      options.hint = absl::StrCat("does its certificate chain to a root in ",
                                  ca_file.empty() ? "the system's bundle" : ca_file, "?");
    }
    KITH_RETURN_IF_ERROR(transport.Connect(options));
  }
  KITH_RETURN_IF_ERROR(transport.Send(request));

  Receiver receiver(max_bytes);
  http::Http1Parser parser(http::Http1Parser::Kind::kResponse, receiver);
  parser.ExpectResponse({});
  uint8_t buffer[16 * 1024];
  while (!receiver.complete) {
    KITH_ASSIGN_OR_RETURN(const size_t size, transport.Receive(absl::MakeSpan(buffer)));
    if (size == 0) {
      KITH_RETURN_IF_ERROR(parser.FinishOnEof());
      if (!receiver.complete) return absl::UnavailableError("the answer ends early");
      break;
    }
    KITH_RETURN_IF_ERROR(parser.Feed(absl::MakeConstSpan(buffer, size)).status());
    if (receiver.too_large) {
      return absl::ResourceExhaustedError(absl::StrCat("more than ", max_bytes, " bytes"));
    }
  }
  if (receiver.status != 200) {
    return absl::InvalidArgumentError(absl::StrCat("the answer is ", receiver.status, ", not 200"));
  }
  return std::move(receiver.body);
}

}  // namespace kith::controlplane
