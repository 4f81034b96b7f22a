#include "source/sidecar/admin.h"

#include <utility>

#include "absl/strings/str_cat.h"

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

void Answer(AdminOptions& options, const http::EmbeddedRequest& request,
            http::EmbeddedResponder responder) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (request.path == "/v1/rotate") {
    if (request.method != "POST") return responder.Send(WrongMethod("POST"));
    options.rotate();
    return responder.Send(JsonResponse(202, "{}\n"));
  }
  if (request.path != "/v1/status" && request.path != "/v1/certs") {
    return responder.Send(
        http::ErrorResponse(404, "there is /v1/status, /v1/certs and /v1/rotate"));
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
