#include "source/sidecar/admin.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace kith::sidecar {
namespace {

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

std::string TextOf(const nlohmann::json& body, const char* key) {
  const auto found = body.find(key);
  return found != body.end() && found->is_string() ? found->get<std::string>() : "";
}

http::EmbeddedResponse StartBreakGlass(BreakGlass& break_glass, const std::string& text) {
  const auto body = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object() || !body.contains("seconds") || !body["seconds"].is_number()) {
    return http::ErrorResponse(400, "the body must be an object with \"seconds\" and \"reason\"");
  }
  const absl::Status started =
      break_glass.Start({.time = absl::Seconds(body["seconds"].get<double>()),
                         .reason = TextOf(body, "reason"),
                         .who = TextOf(body, "who")});
  if (!started.ok()) {
    return http::ErrorResponse(absl::IsInvalidArgument(started) ? 400 : 409, started.message());
  }
  return JsonResponse(200, break_glass.Json());
}

http::EmbeddedResponse EndBreakGlass(BreakGlass& break_glass, const std::string& text) {
  const auto body = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  break_glass.End(body.is_object() ? TextOf(body, "who") : "");
  return JsonResponse(200, break_glass.Json());
}

void Answer(AdminOptions& options, const http::EmbeddedRequest& request,
            http::EmbeddedResponder responder) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (request.path == "/v1/rotate") {
    if (request.method != "POST") return responder.Send(WrongMethod("POST"));
    options.rotate();
    return responder.Send(JsonResponse(202, "{}\n"));
  }
  if (request.path == "/v1/break-glass/end") {
    if (request.method != "POST") return responder.Send(WrongMethod("POST"));
    return responder.Send(EndBreakGlass(*options.break_glass, request.body));
  }
  if (request.path == "/v1/break-glass") {
    if (reads) return responder.Send(JsonResponse(200, options.break_glass->Json()));
    if (request.method != "POST") return responder.Send(WrongMethod("GET, HEAD, POST"));
    return responder.Send(StartBreakGlass(*options.break_glass, request.body));
  }
  if (reads && options.decisions(request, responder)) return;
  if (request.path != "/v1/status" && request.path != "/v1/certs") {
    return responder.Send(
        http::ErrorResponse(404,
                            "there is /v1/status, /v1/certs, /v1/rotate, /v1/break-glass, "
                            "/v1/decisions, /v1/policies and /v1/plaintext"));
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
