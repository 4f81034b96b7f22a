#include "source/ctl/admin_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/http/blocking_client.h"

namespace kith::ctl {

using nlohmann::json;

absl::StatusOr<json> AdminClient::Get(absl::string_view path) const {
  return Request("GET", path, "");
}

absl::StatusOr<json> AdminClient::Post(absl::string_view path, const json& body) const {
  return Request("POST", path, body.dump());
}

absl::StatusOr<json> AdminClient::Request(absl::string_view method, absl::string_view path,
                                          std::string body) const {
  http::BlockingRequestOptions options;
  KITH_ASSIGN_OR_RETURN(options.address,
                        base::SocketAddress::Parse(absl::StrCat("unix:", socket_)));
  options.method = std::string(method);
  options.path = std::string(path);
  options.body = std::move(body);
  options.hint = absl::StrCat("is ", what_, " running, and is this its admin socket?");
  KITH_ASSIGN_OR_RETURN(http::BlockingResponse response, http::BlockingRequest(options));

  const json answer = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (answer.is_discarded()) {
    return absl::InternalError(absl::StrCat(method, " ", path, " of ", what_, ": status ",
                                            response.status, ", and the answer is no JSON"));
  }
  if (response.status < 300) return answer;
  std::string reason = "no reason given";
  if (answer.is_object() && answer.contains("error") && answer["error"].is_string()) {
    reason = answer["error"].get<std::string>();
  }
  if (response.status < 500) return absl::FailedPreconditionError(reason);
  return absl::InternalError(reason);
}

}  // namespace kith::ctl
