#include "source/http/embedded_message.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/http/serialize.h"

namespace kith::http {

absl::string_view EmbeddedRequest::Query(absl::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return "";
}

absl::string_view EmbeddedRequest::FindHeader(absl::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (absl::EqualsIgnoreCase(key, name)) return value;
  }
  return "";
}

EmbeddedResponse ErrorResponse(int status, absl::string_view message) {
  EmbeddedResponse response;
  response.status = status;
  response.content_type = "application/json";
  base::JsonWriter(response.body).BeginObject().Key("error").String(message).EndObject();
  response.body.push_back('\n');
  return response;
}

std::string RenderHead(const EmbeddedResponse& response, absl::Time date, AfterResponse after) {
  std::string head;
  (void)WriteStatusLine(response.status, ReasonPhrase(response.status), head);
  const std::string now = absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", date, absl::UTCTimeZone());
  (void)WriteHeader("Date", now, head);
  if (!response.content_type.empty()) {
    (void)WriteHeader("Content-Type", response.content_type, head);
  }
  for (const auto& [name, value] : response.headers) (void)WriteHeader(name, value, head);
  if (response.status != 204 && response.status != 304) {
    (void)WriteHeader("Content-Length", absl::StrCat(response.body.size()), head);
  }
  (void)WriteHeader("Connection", after == AfterResponse::kKeepAlive ? "keep-alive" : "close",
                    head);
  EndHead(head);
  return head;
}

}  // namespace kith::http
