#include "source/sidecar/decisions_admin.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kith/mesh/v1/resources.pb.h"
#include "nlohmann/json.hpp"

namespace kith::sidecar {
namespace {

using nlohmann::json;
using Mtls = security::v1::PeerAuthenticationSpec::MutualTLS;

constexpr size_t kMostLines = 1000;
constexpr char kSecurityApi[] = "security.istio.io/v1";

http::EmbeddedResponse Json(const json& body) {
  http::EmbeddedResponse response;
  response.content_type = "application/json";
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return response;
}

// A policy as a document; what was parsed strictly is written whole.
json DocumentOf(const google::protobuf::Message& message, const char* kind) {
  std::string text;
  const auto written = google::protobuf::util::MessageToJsonString(message, &text);
  json document = written.ok() ? json::parse(text, nullptr, false) : json::object();
  document["apiVersion"] = kSecurityApi;
  document["kind"] = kind;
  return document;
}

json PoliciesOf(const Bootstrap& bootstrap, const mesh::v1::WorkloadConfig& config) {
  json labels = json::object();
  for (const auto& [key, value] : bootstrap.labels) labels[key] = value;
  json ports = json::object();
  for (const auto& [port, mode] : config.port_mtls_modes()) {
    ports[absl::StrCat(port)] = Mtls::Mode_Name(mode);
  }
  json policies = json::array();
  for (const auto& policy : config.authorization_policies()) {
    policies.push_back(DocumentOf(policy, "AuthorizationPolicy"));
  }
  for (const auto& policy : config.request_authentications()) {
    policies.push_back(DocumentOf(policy, "RequestAuthentication"));
  }
  json aliases = json::array();
  for (const std::string& alias : config.trust_domain_aliases()) aliases.push_back(alias);
  return {{"mesh",
           {{"trustDomain", config.trust_domain()},
            {"trustDomainAliases", std::move(aliases)},
            {"rootNamespace", config.root_namespace()},
            {"pathNormalization", mesh::v1::PathNormalization_Name(config.path_normalization())}}},
          {"workload",
           {{"name", bootstrap.name},
            {"namespace", bootstrap.name_space},
            {"serviceAccount", bootstrap.service_account},
            {"labels", std::move(labels)}}},
          {"mtls", {{"mode", Mtls::Mode_Name(config.mtls_mode())}, {"ports", std::move(ports)}}},
          {"policies", std::move(policies)}};
}

void AnswerLines(const DecisionSources& sources, const http::EmbeddedRequest& request,
                 http::EmbeddedResponder& responder) {
  size_t limit = kMostLines;
  const absl::string_view wanted = request.Query("limit");
  if (!wanted.empty() && !absl::SimpleAtoi(wanted, &limit)) {
    return responder.Send(http::ErrorResponse(400, "limit is a number"));
  }
  limit = std::min(limit, kMostLines);
  sources.workers.FindDecisions(
      std::string(request.Query("request_id")), limit,
      [kept = sources.bootstrap.recent_decisions, limit,
       responder = std::move(responder)](std::vector<std::string> lines) mutable {
        json list = json::array();
        for (const std::string& line : lines) {
          json entry = json::parse(line, nullptr, false);
          if (!entry.is_discarded() && list.size() < limit) list.push_back(std::move(entry));
        }
        responder.Send(Json({{"kept", kept}, {"lines", std::move(list)}}));
      });
}

void AnswerPlaintext(const DecisionSources& sources, http::EmbeddedResponder& responder) {
  sources.workers.FindPlaintext([responder =
                                     std::move(responder)](Workers::Plaintext plaintext) mutable {
    json list = json::array();
    for (const proxy::PlaintextSource& source : plaintext.sources) {
      list.push_back(
          {{"ip", source.ip},
           {"port", source.port},
           {"connections", source.connections},
           {"last", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", source.last, absl::UTCTimeZone())}});
    }
    responder.Send(Json({{"sources", std::move(list)}, {"beyond", plaintext.beyond}}));
  });
}

}  // namespace

bool AnswerDecisions(const DecisionSources& sources, const http::EmbeddedRequest& request,
                     http::EmbeddedResponder& responder) {
  if (request.path == "/v1/decisions") {
    AnswerLines(sources, request, responder);
    return true;
  }
  if (request.path == "/v1/plaintext") {
    AnswerPlaintext(sources, responder);
    return true;
  }
  if (request.path != "/v1/policies") return false;
  const auto config = sources.discovery.current().source;
  if (config == nullptr) {
    responder.Send(http::ErrorResponse(503, "the control plane has sent no policies yet"));
  } else {
    responder.Send(Json(PoliciesOf(sources.bootstrap, *config)));
  }
  return true;
}

}  // namespace kith::sidecar
