#include "source/controlplane/revocation_admin.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/controlplane/ca/json_member.h"
#include "source/controlplane/status_json.h"

namespace kith::controlplane {
namespace {

constexpr char kJson[] = "application/json";
constexpr char kBy[] = "admin socket";

http::EmbeddedResponse Failed(const absl::Status& status) {
  int code = 503;
  if (absl::IsInvalidArgument(status)) code = 400;
  if (absl::IsNotFound(status)) code = 404;
  if (absl::IsResourceExhausted(status)) code = 409;
  return http::ErrorResponse(code, status.message());
}

struct Wish {
  std::string serial;
  std::string principal;
  x509::RevocationReason reason = x509::RevocationReason::kUnspecified;
};

absl::StatusOr<Wish> ParseWish(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the body must be a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key != "serial" && key != "principal" && key != "reason") {
      return absl::InvalidArgumentError(
          absl::StrCat(key, ": unknown field; serial, principal and reason are known"));
    }
    if (!value.is_string()) return absl::InvalidArgumentError(absl::StrCat(key, ": is no string"));
  }
  Wish wish{TextOf(json, "serial"), TextOf(json, "principal")};
  if (wish.serial.empty() == wish.principal.empty()) {
    return absl::InvalidArgumentError("give either a serial or a principal");
  }
  if (json.contains("reason")) {
    KITH_ASSIGN_OR_RETURN(wish.reason, x509::ParseRevocationReason(TextOf(json, "reason")));
  }
  return wish;
}

void Write(base::JsonWriter& json, const Revocation& revocation) {
  json.BeginObject();
  json.Key("serial").String(revocation.serial);
  json.Key("principal").String(revocation.principal);
  json.Key("reason").String(x509::Name(revocation.reason));
  json.Key("at").String(JsonTime(revocation.at));
  json.Key("notAfter").String(JsonTime(revocation.not_after));
  json.EndObject();
}

http::EmbeddedResponse Revoke(RevocationList& list, CrlPublisher& publisher,
                              const std::string& body) {
  const absl::StatusOr<Wish> wish = ParseWish(body);
  if (!wish.ok()) return Failed(wish.status());
  std::vector<Revocation> revoked;
  if (wish->principal.empty()) {
    const auto one = list.RevokeSerial(wish->serial, wish->reason, kBy);
    if (!one.ok()) return Failed(one.status());
    revoked.push_back(*one);
  } else {
    auto all = list.RevokePrincipal(wish->principal, wish->reason, kBy);
    if (!all.ok()) return Failed(all.status());
    revoked = *std::move(all);
  }
  // What is revoked stays so; only the list that says it is late, and its timer tries again.
  const absl::Status published = publisher.Update();
  if (!published.ok()) return Failed(base::Annotate(published, "revoked, but not published yet"));
  http::EmbeddedResponse response{.content_type = kJson, .body = {}, .headers = {}};
  base::JsonWriter json(response.body);
  json.BeginObject();
  json.Key("principal").String(wish->principal);
  json.Key("crlNumber").Uint(publisher.number());
  json.Key("revoked").BeginArray();
  for (const Revocation& each : revoked) Write(json, each);
  json.EndArray();
  json.EndObject();
  response.body += '\n';
  return response;
}

http::EmbeddedResponse Unrevoke(RevocationList& list, const std::string& body) {
  const absl::StatusOr<Wish> wish = ParseWish(body);
  if (!wish.ok()) return Failed(wish.status());
  if (wish->principal.empty()) {
    return http::ErrorResponse(400,
                               "serial: a certificate stays revoked; let the workload have a new "
                               "one instead");
  }
  const absl::Status done = list.UnrevokePrincipal(wish->principal, kBy);
  if (!done.ok()) return Failed(done);
  http::EmbeddedResponse response{.content_type = kJson, .body = {}, .headers = {}};
  base::JsonWriter json(response.body);
  json.BeginObject();
  json.Key("principal").String(wish->principal);
  json.EndObject();
  response.body += '\n';
  return response;
}

http::EmbeddedResponse Show(const RevocationList& list, const CrlPublisher& publisher) {
  http::EmbeddedResponse response{.content_type = kJson, .body = {}, .headers = {}};
  base::JsonWriter json(response.body);
  json.BeginObject();
  json.Key("crlNumber").Uint(publisher.number());
  json.Key("nextUpdate").String(JsonTime(publisher.next_update()));
  json.Key("principals").BeginArray();
  for (const auto& [principal, blocked] : list.Principals()) {
    json.BeginObject();
    json.Key("principal").String(principal);
    json.Key("reason").String(x509::Name(blocked.reason));
    json.Key("at").String(JsonTime(blocked.at));
    json.EndObject();
  }
  json.EndArray();
  json.Key("certificates").BeginArray();
  for (const Revocation& each : list.Serials()) Write(json, each);
  json.EndArray();
  json.EndObject();
  response.body += '\n';
  return response;
}

}  // namespace

std::vector<Route> RevocationRoutes(RevocationList& revocations, CrlPublisher& publisher) {
  std::vector<Route> routes;
  routes.push_back({"/v1/ca/revoke", "POST", [&](const http::EmbeddedRequest& request) {
                      return Revoke(revocations, publisher, request.body);
                    }});
  routes.push_back({"/v1/ca/unrevoke", "POST", [&](const http::EmbeddedRequest& request) {
                      return Unrevoke(revocations, request.body);
                    }});
  routes.push_back({"/v1/ca/revocations", "GET",
                    [&](const http::EmbeddedRequest&) { return Show(revocations, publisher); }});
  return routes;
}

}  // namespace kith::controlplane
