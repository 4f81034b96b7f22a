#include "source/proxy/debug_headers.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "source/proxy/local_answer.h"

namespace kith::proxy {
namespace {

constexpr size_t kMaxText = 512;

// A string as RFC 8941 §3.3.3 writes it.
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxText)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?';
  }
  return quoted + "\"";
}

std::string ValueOf(const RequestRecord& record, Routing::Verdict verdict) {
  std::string value = verdict == Routing::Verdict::kForward ? "allow" : "deny";
  if (record.reason != telemetry::Reason::kNone) {
    absl::StrAppend(&value, ";reason=", telemetry::Name(record.reason));
  }
  if (!record.detail.empty()) absl::StrAppend(&value, ";detail=", Quoted(record.detail));
  const DecidingRule& by = record.by;
  if (!by.policy.empty()) absl::StrAppend(&value, ";policy=", Quoted(by.policy));
  if (by.rule >= 0) absl::StrAppend(&value, ";rule=", by.rule);
  if (by.from >= 0) absl::StrAppend(&value, ";from=", by.from);
  if (by.to >= 0) absl::StrAppend(&value, ";to=", by.to);
  absl::StrAppend(&value, ";request=", Quoted(record.request_id));
  return value;
}

}  // namespace

bool IsDebugged(const std::vector<std::string>& callers, const tls::Peer* peer) {
  return peer != nullptr &&
         std::find(callers.begin(), callers.end(), peer->id.text()) != callers.end();
}

void TellDecision(const RequestRecord& record, Routing& routing) {
  std::pair<std::string, std::string> header(kDecisionHeader, ValueOf(record, routing.verdict));
  if (routing.verdict == Routing::Verdict::kForward) {
    routing.response_headers.push_back(std::move(header));
    return;
  }
  if (routing.reply == nullptr) {
    routing.reply = std::make_unique<Reply>();
    routing.reply->status = routing.status;
    routing.reply->headers = {{"Content-Type", "text/plain"}};
    routing.reply->body = std::string(AnswerText(routing.status));
  }
  routing.reply->headers.push_back(std::move(header));
}

}  // namespace kith::proxy
