#include "source/proxy/local_answer.h"

#include "source/http/serialize.h"

namespace kith::proxy {

using telemetry::Reason;

absl::string_view AnswerText(int status) {
  switch (status) {
    case 403:
      return "RBAC: access denied";  // Istio's, to the letter.
    case 408:
      return "request timeout";
    case 502:
      return "bad gateway";
    case 503:
      return "service unavailable";
    case 504:
      return "gateway timeout";
    default:
      return http::ReasonPhrase(status);
  }
}

int StatusOf(Reason reason) {
  switch (reason) {
    case Reason::kUpstreamTimeout:
    case Reason::kDeadlineExceeded:
      return 504;
    case Reason::kUpstreamReset:
    case Reason::kUpstreamProtocolError:
      return 502;
    default:
      return 503;
  }
}

size_t AppendAnswer(const LocalAnswer& answer, std::string& out) {
  const absl::string_view body =
      answer.reply == nullptr ? AnswerText(answer.status) : absl::string_view(answer.reply->body);
  (void)http::WriteStatusLine(answer.status, http::ReasonPhrase(answer.status), out);
  (void)http::WriteHeader("Content-Length", std::to_string(body.size()), out);
  if (answer.reply == nullptr) {
    (void)http::WriteHeader("Content-Type", "text/plain", out);
  } else {
    for (const auto& [name, value] : answer.reply->headers) {
      (void)http::WriteHeader(name, value, out);
    }
  }
  if (answer.close) (void)http::WriteHeader("Connection", "close", out);
  http::EndHead(out);
  if (answer.body == LocalAnswer::Body::kNotSent) return 0;
  out.append(body.data(), body.size());
  return body.size();
}

}  // namespace kith::proxy
