#include "source/sidecar/monitoring.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace kith::sidecar {
namespace {

using NotReady = absl::AnyInvocable<std::vector<std::string>()>;

http::EmbeddedResponse Answer(const telemetry::Metrics& metrics, NotReady& not_ready,
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
  if (request.path == "/healthz/live") return {.body = "live\n", .headers = {}};
  if (request.path == "/healthz/ready") {
    const std::vector<std::string> reasons = not_ready();
    if (reasons.empty()) return {.body = "ready\n", .headers = {}};
    return {.status = 503,
            .body = absl::StrCat("not ready\n", absl::StrJoin(reasons, "\n"), "\n"),
            .headers = {}};
  }
  return http::ErrorResponse(404, "there is /metrics, /healthz/ready and /healthz/live");
}

}  // namespace

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateMonitoring(
    event::Loop& loop, const base::SocketAddress& address, const telemetry::Metrics& metrics,
    NotReady not_ready, ApplicationProbes& probes) {
  return http::EmbeddedServer::Create(
      loop, {.address = address},
      [&metrics, &probes, not_ready = std::move(not_ready)](
          const http::EmbeddedRequest& request, http::EmbeddedResponder responder) mutable {
        if (request.method == "GET" && probes.Answer(request, responder)) return;
        responder.Send(Answer(metrics, not_ready, request));
      });
}

}  // namespace kith::sidecar
