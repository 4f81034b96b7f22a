#include "source/sidecar/admin.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

namespace kith::sidecar {
namespace {

using nlohmann::json;

constexpr char kJson[] = "application/json";

http::EmbeddedResponse JsonResponse(int status, std::string body) {
  return {.status = status, .content_type = kJson, .body = std::move(body), .headers = {}};
}

http::EmbeddedResponse WrongMethod(absl::string_view allowed) {
  http::EmbeddedResponse response =
      http::ErrorResponse(405, absl::StrCat("only ", allowed, " is answered here"));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

bool Reads(const http::EmbeddedRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

std::string TextOf(const json& body, const char* key) {
  const auto found = body.find(key);
  return found != body.end() && found->is_string() ? found->get<std::string>() : "";
}

json ObjectOf(const std::string& text) {
  json body = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return body.is_object() ? body : json::object();
}

// What is asked for a limited time; none is no time that anything accepts.
absl::Duration TimeOf(const json& body) {
  const auto found = body.find("seconds");
  return found != body.end() && found->is_number() ? absl::Seconds(found->get<double>())
                                                   : absl::ZeroDuration();
}

template <typename Measure>
http::EmbeddedResponse StateOf(const Measure& measure, const absl::Status& done) {
  if (done.ok()) return JsonResponse(200, measure.Json());
  const int status = absl::IsInvalidArgument(done) ? 400 : absl::IsNotFound(done) ? 404 : 409;
  return http::ErrorResponse(status, done.message());
}

absl::Status Start(BreakGlass& break_glass, const json& body) {
  return break_glass.Start(
      {.time = TimeOf(body), .reason = TextOf(body, "reason"), .who = TextOf(body, "who")});
}

absl::Status End(BreakGlass& break_glass, const json& body) {
  break_glass.End(TextOf(body, "who"));
  return absl::OkStatus();
}

absl::Status Start(DebugHeaders& headers, const json& body) {
  return headers.Start(
      {.principal = TextOf(body, "principal"), .time = TimeOf(body), .who = TextOf(body, "who")});
}

absl::Status End(DebugHeaders& headers, const json& body) {
  return headers.End(TextOf(body, "principal"), TextOf(body, "who"));
}

// What an operator switches on for a limited time: shown, started and ended. `action` is what
// follows its path.
template <typename Measure>
http::EmbeddedResponse AnswerMeasure(Measure& measure, absl::string_view action,
                                     const http::EmbeddedRequest& request) {
  const bool posts = request.method == "POST";
  if (action == "/end") {
    return posts ? StateOf(measure, End(measure, ObjectOf(request.body))) : WrongMethod("POST");
  }
  if (posts) return StateOf(measure, Start(measure, ObjectOf(request.body)));
  return Reads(request) ? JsonResponse(200, measure.Json()) : WrongMethod("GET, HEAD, POST");
}

void Answer(AdminOptions& options, const http::EmbeddedRequest& request,
            http::EmbeddedResponder responder) {
  const bool reads = Reads(request);
  if (request.path == "/v1/rotate") {
    if (request.method != "POST") return responder.Send(WrongMethod("POST"));
    options.rotate();
    return responder.Send(JsonResponse(202, "{}\n"));
  }
  absl::string_view action = request.path;
  if (absl::ConsumePrefix(&action, "/v1/break-glass") && (action.empty() || action == "/end")) {
    return responder.Send(AnswerMeasure(*options.break_glass, action, request));
  }
  action = request.path;
  if (absl::ConsumePrefix(&action, "/v1/debug-headers") && (action.empty() || action == "/end")) {
    return responder.Send(AnswerMeasure(*options.debug_headers, action, request));
  }
  if (reads && options.decisions(request, responder)) return;
  if (request.path != "/v1/status" && request.path != "/v1/certs") {
    return responder.Send(
        http::ErrorResponse(404,
                            "there is /v1/status, /v1/certs, /v1/rotate, /v1/break-glass, "
                            "/v1/debug-headers, /v1/decisions, /v1/policies and /v1/plaintext"));
  }
  if (!reads) return responder.Send(WrongMethod("GET, HEAD"));
  auto& give = request.path == "/v1/certs" ? options.certificates : options.status;
  give([responder = std::move(responder)](std::string body) mutable {
    responder.Send(JsonResponse(200, std::move(body)));
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateAdmin(event::Loop& loop,
                                                                  AdminOptions options) {
  http::EmbeddedServer::Options server;
  server.address = options.socket;
  return http::EmbeddedServer::Create(
      loop, server,
      [options = std::move(options)](const http::EmbeddedRequest& request,
                                     http::EmbeddedResponder responder) mutable {
        Answer(options, request, std::move(responder));
      });
}

}  // namespace kith::sidecar
