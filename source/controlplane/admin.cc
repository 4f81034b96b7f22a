#include "source/controlplane/admin.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/spiffe_id.h"
#include "source/controlplane/status_json.h"

namespace kith::controlplane {
namespace {

constexpr char kJson[] = "application/json";
constexpr char kTokensPath[] = "/v1/tokens";
constexpr char kJoinTokensPath[] = "/v1/join-tokens";
constexpr absl::Duration kDefaultTtl = absl::Hours(24);

struct TokenWish {
  std::string name_space;
  std::string service_account;
  absl::Duration ttl = kDefaultTtl;
};

absl::StatusOr<TokenWish> ParseWish(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the body must be a JSON object");
  TokenWish wish;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(key, ": must be a string"));
    }
    const auto& text = value.get_ref<const std::string&>();
    if (key == "namespace") {
      wish.name_space = text;
    } else if (key == "serviceAccount") {
      wish.service_account = text;
    } else if (key == "ttl") {
      if (!absl::ParseDuration(text, &wish.ttl)) {
        return absl::InvalidArgumentError("ttl: must be a duration such as \"24h\"");
      }
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(key, ": unknown field; namespace, serviceAccount and ttl are known"));
    }
  }
  if (wish.name_space.empty()) return absl::InvalidArgumentError("namespace: is required");
  if (wish.service_account.empty()) {
    return absl::InvalidArgumentError("serviceAccount: is required");
  }
  return wish;
}

constexpr char kPeer[] = "admin socket";

// What TokenIssuer or JoinTokens made of a wish.
template <typename Made>
http::EmbeddedResponse Tell(const absl::StatusOr<Made>& made, const TokenWish& wish,
                            const std::string& trust_domain) {
  if (!made.ok()) {
    return http::ErrorResponse(absl::IsInvalidArgument(made.status()) ? 400 : 503,
                               made.status().message());
  }
  http::EmbeddedResponse response{.content_type = kJson, .body = {}, .headers = {}};
  base::JsonWriter json(response.body);
  json.BeginObject();
  json.Key("token").String(made->token);
  json.Key("expiresAt").String(JsonTime(made->expires));
  json.Key("spiffeId")
      .String(absl::StrCat("spiffe://", trust_domain, "/ns/", wish.name_space, "/sa/",
                           wish.service_account));
  json.EndObject();
  response.body += '\n';
  return response;
}

http::EmbeddedResponse CreateToken(const AdminOptions& options,
                                   const http::EmbeddedRequest& request) {
  const auto wish = ParseWish(request.body);
  if (!wish.ok()) return http::ErrorResponse(400, wish.status().message());
  const std::string& trust_domain = options.tokens->options().trust_domain;
  if (request.path == kJoinTokensPath) {
    return Tell(options.joins->Create(wish->name_space, wish->service_account, wish->ttl, kPeer),
                *wish, trust_domain);
  }
  return Tell(options.tokens->Create(wish->name_space, wish->service_account, wish->ttl, kPeer),
              *wish, trust_domain);
}

http::EmbeddedResponse WrongMethod(absl::string_view allowed) {
  http::EmbeddedResponse response =
      http::ErrorResponse(405, absl::StrCat("only ", allowed, " is answered here"));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

http::EmbeddedResponse Answer(AdminOptions& options, const http::EmbeddedRequest& request) {
  if (request.path == "/v1/status") {
    if (request.method != "GET" && request.method != "HEAD") return WrongMethod("GET, HEAD");
    return {.content_type = kJson, .body = options.status(), .headers = {}};
  }
  if (request.path == kTokensPath || request.path == kJoinTokensPath) {
    if (request.method != "POST") return WrongMethod("POST");
    return CreateToken(options, request);
  }
  return Dispatch(options.routes, request, "there is /v1/status, /v1/tokens, /v1/join-tokens");
}

}  // namespace

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateAdmin(event::Loop& loop,
                                                                  AdminOptions options) {
  const http::EmbeddedServer::Options server{.address = options.socket, .unix_mode = 0600};
  return http::EmbeddedServer::Create(
      loop, server,
      [options = std::move(options)](const http::EmbeddedRequest& request,
                                     http::EmbeddedResponder responder) mutable {
        responder.Send(Answer(options, request));
      });
}

}  // namespace kith::controlplane
