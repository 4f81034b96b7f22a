// Paths of the control plane's two HTTP servers that other parts answer.
// Threads: the loop's. Owns: the routes own their functions. Errors: the answers' own.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "source/http/embedded_message.h"

namespace kith::controlplane {

struct Route {
  std::string path;    // One that ends in "/" stands for everything below it.
  std::string method;  // "GET" answers HEAD too.
  absl::AnyInvocable<http::EmbeddedResponse(const http::EmbeddedRequest&)> answer;
};

// 405 and 404 where no route fits; `known` says what else there is: "there is /metrics".
http::EmbeddedResponse Dispatch(std::vector<Route>& routes, const http::EmbeddedRequest& request,
                                std::string known);

}  // namespace kith::controlplane
