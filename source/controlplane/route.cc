#include "source/controlplane/route.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace kith::controlplane {
namespace {

bool Fits(const Route& route, const std::string& path) {
  if (!absl::EndsWith(route.path, "/")) return path == route.path;
  return absl::StartsWith(path, route.path);
}

}  // namespace

http::EmbeddedResponse Dispatch(std::vector<Route>& routes, const http::EmbeddedRequest& request,
                                std::string known) {
  std::string allowed;
  for (Route& route : routes) {
    absl::StrAppend(&known, ", ", route.path);
    if (!Fits(route, request.path)) continue;
    const bool head = request.method == "HEAD" && route.method == "GET";
    if (head || request.method == route.method) return route.answer(request);
    absl::StrAppend(&allowed, allowed.empty() ? "" : ", ", route.method);
  }
  if (allowed.empty()) return http::ErrorResponse(404, known);
  http::EmbeddedResponse response =
      http::ErrorResponse(405, absl::StrCat("only ", allowed, " is answered here"));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace kith::controlplane
