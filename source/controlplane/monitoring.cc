#include "source/controlplane/monitoring.h"

#include <utility>

namespace kith::controlplane {
namespace {

http::EmbeddedResponse Answer(const telemetry::Metrics& metrics,
                              const http::EmbeddedRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    http::EmbeddedResponse response = http::ErrorResponse(405, "only GET is answered here");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  if (request.path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = metrics.Text(),
            .headers = {}};
  }
  if (request.path == "/healthz/ready") return {.body = "ready\n", .headers = {}};
  if (request.path == "/healthz/live") return {.body = "live\n", .headers = {}};
  return http::ErrorResponse(404, "there is /metrics, /healthz/ready and /healthz/live");
}

}  // namespace

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateMonitoring(
    event::Loop& loop, const base::SocketAddress& address, const telemetry::Metrics& metrics) {
  return http::EmbeddedServer::Create(
      loop, {.address = address},
      [&metrics](const http::EmbeddedRequest& request, http::EmbeddedResponder responder) {
        responder.Send(Answer(metrics, request));
      });
}

}  // namespace kith::controlplane
