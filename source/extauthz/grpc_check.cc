#include "source/extauthz/grpc_check.h"

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "source/extauthz/wire.h"

namespace kith::extauthz {
namespace {

constexpr size_t kFrame = 5;  // A flag, and the message's size in four bytes.
constexpr size_t kMaxHeaders = 128;
constexpr uint64_t kPermissionDenied = 7;

// ---- The question ----

// A protobuf string is UTF-8, and a header need not be.
std::string Utf8(absl::string_view text) {
  if (IsUtf8(text)) return std::string(text);
  std::string clean(text);
  for (char& c : clean) c = absl::ascii_isascii(static_cast<unsigned char>(c)) ? c : '!';
  return clean;
}

void WriteText(uint32_t field, absl::string_view text, Writer& out) {
  out.Bytes(field, Utf8(text));
}

// AttributeContext.Peer.
Writer PeerOf(const base::SocketAddress* address, absl::string_view principal) {
  Writer peer;
  if (address != nullptr) {
    Writer socket;  // SocketAddress; its protocol, TCP, is zero.
    socket.Bytes(2, address->IpString());
    socket.Number(3, address->port());
    Writer any;
    any.Message(1, socket);
    peer.Message(1, any);
  }
  peer.Bytes(4, principal);
  return peer;
}

void WriteHeader(const std::string& name, const std::string& value, Writer& http) {
  Writer entry;  // Of a map.
  entry.Bytes(1, name);
  WriteText(2, value, entry);
  http.Message(3, entry);
}

// Headers by name, lines of one name joined as HTTP allows it (RFC 9110 §5.3).
void WriteHeaders(const Question& question, Writer& http) {
  std::map<std::string, std::string> joined;
  for (const http::Header& header : question.headers) {
    std::string name = absl::AsciiStrToLower(header.name);
    if (name == "host") continue;
    const auto [entry, added] = joined.try_emplace(std::move(name), header.value);
    if (!added) absl::StrAppend(&entry->second, ",", header.value);
  }
  const policy::Request& request = *question.request;
  joined[":method"] = std::string(request.method);
  joined[":path"] = std::string(request.target);
  joined[":authority"] = std::string(request.host);
  joined[":scheme"] = std::string(request.scheme);
  if (question.shown != Question::Shown::kNothing) {
    joined[std::string(kPartialBody)] = std::string(IsPartial(question));
  }
  for (const auto& [name, value] : joined) WriteHeader(name, value, http);
}

// AttributeContext.HttpRequest. The path holds the query, as Envoy has it.
Writer HttpOf(const Question& question, BodyField body_field) {
  const policy::Request& request = *question.request;
  Writer http;
  WriteText(1, question.id, http);
  WriteText(2, request.method, http);
  WriteHeaders(question, http);
  WriteText(4, request.target, http);
  WriteText(5, request.host, http);
  WriteText(6, request.scheme, http);
  // An int64 of which -1, unknown, is ten bytes.
  http.Number(9, question.framing.kind == http::BodyKind::kNone     ? 0
                 : question.framing.kind == http::BodyKind::kLength ? question.framing.length
                                                                    : UINT64_MAX);
  http.Bytes(10, "HTTP/1.1");
  if (body_field == BodyField::kText) {
    WriteText(11, question.body, http);
  } else {
    http.Bytes(12, question.body);
  }
  return http;
}

// ---- The answer ----

// HeaderValueOption. False when it cannot be read.
bool ReadHeader(absl::string_view bytes, HeaderEdit& edit) {
  Reader option(bytes);
  bool has_append = false, append = false;
  uint64_t action = 0;
  bool has_action = false;
  while (option.Next()) {
    if (option.field() == 1) {
      Reader header(option.bytes());
      while (header.Next()) {
        if (header.field() == 1) edit.name = std::string(header.bytes());
        if (header.field() == 2 || header.field() == 3) edit.value = std::string(header.bytes());
      }
      if (header.failed()) return false;
    } else if (option.field() == 2) {  // BoolValue
      has_append = true;
      Reader value(option.bytes());
      while (value.Next()) append = value.field() == 1 && value.number() != 0;
      if (value.failed()) return false;
    } else if (option.field() == 3) {
      has_action = true;
      action = option.number();
    }
  }
  // Neither of them: the value replaces what the client has sent.
  using Action = HeaderEdit::Action;
  edit.action = Action::kOverwrite;
  if (has_append) {
    edit.action = append ? Action::kAppend : Action::kOverwrite;
  } else if (has_action) {
    constexpr Action kActions[] = {Action::kAppend, Action::kAddIfAbsent, Action::kOverwrite,
                                   Action::kOverwriteIfExists};
    if (action >= std::size(kActions)) return false;
    edit.action = kActions[action];
  }
  return !option.failed();
}

// An answer in the course of being read; `problem` once it makes no sense.
struct Answer {
  Verdict verdict;
  std::string problem;
  size_t headers = 0;
  uint64_t code = 0;
  bool allows = false, denies = false;

  void TakeHeader(absl::string_view bytes, absl::string_view of, std::vector<HeaderEdit>& edits) {
    HeaderEdit edit;
    if (++headers > kMaxHeaders) {
      problem = absl::StrCat("holds more than ", kMaxHeaders, " headers");
    } else if (!ReadHeader(bytes, edit)) {
      problem = absl::StrCat(of, " holds something else than a header");
    } else if (!MayEdit(edit.name) || !IsSoundValue(edit.value)) {
      problem = absl::StrCat(of, ": the header \"", edit.name.substr(0, 64),
                             "\" is none that an authorizer may set");
    } else {
      edits.push_back(std::move(edit));
    }
  }

  void TakeStatus(absl::string_view bytes) {
    Reader status(bytes);
    while (status.Next()) {
      if (status.field() == 1) code = status.number();
      if (status.field() == 2) verdict.detail = std::string(status.bytes().substr(0, 256));
    }
    if (status.failed()) problem = "status is no message";
  }

  void TakeDenied(absl::string_view bytes) {
    denies = true;
    std::vector<HeaderEdit> headers_of_it;
    Reader denied(bytes);
    while (denied.Next()) {
      if (denied.field() == 1) {
        Reader status(denied.bytes());
        while (status.Next()) {
          if (status.field() == 1 && status.number() >= 200 && status.number() < 600) {
            verdict.status = static_cast<int>(status.number());
          }
        }
        if (status.failed()) problem = "denied_response.status is no message";
      } else if (denied.field() == 2) {
        TakeHeader(denied.bytes(), "denied_response.headers", headers_of_it);
      } else if (denied.field() == 3) {
        verdict.body = std::string(denied.bytes());
      }
    }
    if (denied.failed()) problem = "denied_response is no message";
    for (HeaderEdit& edit : headers_of_it) {
      verdict.headers.emplace_back(std::move(edit.name), std::move(edit.value));
    }
  }

  void TakeAllowed(absl::string_view bytes) {
    allows = true;
    std::vector<HeaderEdit> to_response;
    Reader allowed(bytes);
    while (allowed.Next()) {
      if (allowed.field() == 2) {
        TakeHeader(allowed.bytes(), "ok_response.headers", verdict.edits);
      } else if (allowed.field() == 5) {
        const std::string name(allowed.bytes());
        if (!MayEdit(name) || ++headers > kMaxHeaders) {
          problem = absl::StrCat("ok_response.headers_to_remove: \"", name.substr(0, 64),
                                 "\" is none that an authorizer may remove");
        }
        verdict.removed.push_back(name);
      } else if (allowed.field() == 6) {
        TakeHeader(allowed.bytes(), "ok_response.response_headers_to_add", to_response);
      } else if (allowed.field() == 7 || allowed.field() == 8) {
        problem = "ok_response changes query parameters, which is not supported";
      }
    }
    if (allowed.failed()) problem = "ok_response is no message";
    for (HeaderEdit& edit : to_response) {
      verdict.response_headers.emplace_back(std::move(edit.name), std::move(edit.value));
    }
  }
};

}  // namespace

std::string EncodeCheck(const Question& question, BodyField body_field) {
  const policy::Request& request = *question.request;
  Writer context;
  context.Message(1,
                  PeerOf(request.source,
                         request.peer == nullptr ? "" : absl::string_view(request.peer->text())));
  context.Message(2, PeerOf(request.destination, question.own_principal));
  Writer time;
  const int64_t seconds = absl::ToUnixSeconds(question.time);
  time.Number(1, static_cast<uint64_t>(seconds));
  time.Number(2, static_cast<uint64_t>(
                     absl::ToInt64Nanoseconds(question.time - absl::FromUnixSeconds(seconds))));
  Writer about;
  about.Message(1, time);
  if (request.kind == policy::Request::Kind::kHttp) about.Message(2, HttpOf(question, body_field));
  context.Message(4, about);
  if (!request.sni.empty()) {
    Writer session;
    WriteText(1, request.sni, session);
    context.Message(12, session);
  }
  Writer check;
  check.Message(1, context);
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    framed.push_back(static_cast<char>(check.bytes().size() >> shift));
  }
  return framed + check.bytes();
}

absl::StatusOr<absl::string_view> Unframe(absl::string_view body) {
  if (body.size() < kFrame) return absl::InvalidArgumentError("its answer holds no message");
  if (body[0] != 0) return absl::InvalidArgumentError("its answer is compressed, unasked");
  uint64_t size = 0;
  for (const char c : body.substr(1, kFrame - 1)) size = size << 8 | static_cast<uint8_t>(c);
  if (size != body.size() - kFrame) {
    return absl::InvalidArgumentError("its answer is not one whole message");
  }
  return body.substr(kFrame);
}

Verdict DecodeCheck(absl::string_view message) {
  Answer answer;
  Reader response(message);
  while (response.Next() && answer.problem.empty()) {
    if (response.field() == 1) answer.TakeStatus(response.bytes());
    if (response.field() == 2) answer.TakeDenied(response.bytes());
    if (response.field() == 3) answer.TakeAllowed(response.bytes());
  }
  if (response.failed()) answer.problem = "is no message";
  if (answer.problem.empty() && answer.code == 0 && answer.denies) {
    answer.problem = "has the status OK beside a denied_response";
  }
  if (!answer.problem.empty()) {
    return Verdict::Failed(absl::StrCat("its CheckResponse ", answer.problem));
  }
  Verdict verdict = std::move(answer.verdict);
  verdict.outcome = answer.code == 0 ? Verdict::Outcome::kAllowed : Verdict::Outcome::kDenied;
  if (verdict.outcome == Verdict::Outcome::kDenied) {
    verdict.edits.clear();
    verdict.removed.clear();
    verdict.response_headers.clear();
    if (verdict.detail.empty() && answer.code != kPermissionDenied) {
      verdict.detail = absl::StrCat("status code ", answer.code);
    }
  }
  return verdict;
}

}  // namespace kith::extauthz
