#include "source/controlplane/monitoring.h"

#include <utility>

namespace kith::controlplane {
namespace {

http::EmbeddedResponse Answer(const telemetry::Metrics& metrics, std::vector<Route>& routes,
                              const http::EmbeddedRequest& request) {
  const bool own = request.path == "/metrics" || request.path == "/healthz/ready" ||
                   request.path == "/healthz/live";
  if (!own) {
    return Dispatch(routes, request, "there is /metrics, /healthz/ready, /healthz/live");
  }
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
  return {.body = "live\n", .headers = {}};
}

}  // namespace

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateMonitoring(
    event::Loop& loop, const base::SocketAddress& address, const telemetry::Metrics& metrics,
    std::vector<Route> routes) {
  return http::EmbeddedServer::Create(
      loop, {.address = address},
      [&metrics, routes = std::move(routes)](const http::EmbeddedRequest& request,
                                             http::EmbeddedResponder responder) mutable {
        responder.Send(Answer(metrics, routes, request));
      });
}

}  // namespace kith::controlplane
