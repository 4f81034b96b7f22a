#include "source/controlplane/rotation_admin.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/status.h"
#include "source/controlplane/status_json.h"

namespace kith::controlplane {
namespace {

using Fields = std::map<std::string, std::string>;

absl::StatusOr<Fields> ParseFields(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the body must be a JSON object");
  Fields fields;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(key, ": must be a string"));
    }
    fields[key] = value.get<std::string>();
  }
  return fields;
}

// The field's value, which must be one of two; the first when it is not there.
absl::StatusOr<bool> IsSecond(Fields& fields, const std::string& key, absl::string_view first,
                              absl::string_view second) {
  const auto found = fields.extract(key);
  if (found.empty() || found.mapped() == first) return false;
  if (found.mapped() == second) return true;
  return absl::InvalidArgumentError(absl::StrCat(key, ": must be ", first, " or ", second));
}

absl::Status NothingElse(const Fields& fields) {
  if (fields.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(fields.begin()->first, ": is no field of this action"));
}

absl::Status Start(RootRotation& rotation, Fields fields) {
  KITH_ASSIGN_OR_RETURN(const bool manual, IsSecond(fields, "mode", "automatic", "manual"));
  const RotationMode mode = manual ? RotationMode::kManual : RotationMode::kAutomatic;
  RootPem root;
  if (fields.contains("certificate")) {
    root = {std::move(fields["certificate"]), std::move(fields["key"]), std::move(fields["roots"])};
    for (const char* key : {"certificate", "key", "roots"}) fields.erase(key);
    if (root.key.empty()) return absl::InvalidArgumentError("key: is required with certificate");
    if (root.roots.empty()) root.roots = root.certificate;
  } else {
    KITH_ASSIGN_OR_RETURN(const bool p384, IsSecond(fields, "keyType", "P-256", "P-384"));
    const AuthorityOptions& settings = rotation.authority().options();
    KITH_ASSIGN_OR_RETURN(
        root, MakeRoot(p384 ? x509::KeyType::kP384 : x509::KeyType::kP256, settings.trust_domain,
                       settings.root_lifetime, settings.backdate, settings.clock->Now()));
  }
  KITH_RETURN_IF_ERROR(NothingElse(fields));
  return rotation.Start(root, mode, "the admin socket");
}

absl::Status Act(RootRotation& rotation, const std::string& body) {
  KITH_ASSIGN_OR_RETURN(Fields fields, ParseFields(body));
  const auto action = fields.extract("action");
  if (action.empty()) return absl::InvalidArgumentError("action: is required");
  if (action.mapped() == "start") return Start(rotation, std::move(fields));
  if (action.mapped() == "continue") {
    KITH_ASSIGN_OR_RETURN(const bool force, IsSecond(fields, "force", "no", "yes"));
    KITH_RETURN_IF_ERROR(NothingElse(fields));
    return rotation.Continue(force ? RootRotation::Force::kYes : RootRotation::Force::kNo);
  }
  if (action.mapped() == "abort") {
    KITH_RETURN_IF_ERROR(NothingElse(fields));
    return rotation.Abort();
  }
  return absl::InvalidArgumentError("action: must be start, continue or abort");
}

int HttpCode(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return 400;
  return absl::IsFailedPrecondition(status) ? 409 : 503;
}

void WriteTime(base::JsonWriter& json, absl::Time time) {
  if (time == absl::InfinitePast()) {
    json.Null();
  } else {
    json.String(JsonTime(time));
  }
}

void WriteRoots(base::JsonWriter& json, const RootRotation& rotation) {
  const CertificateAuthority& authority = rotation.authority();
  const std::string signing = authority.ring().leaf_signer()->root_key_id;
  const Signer* const retiring = authority.ring().retiring();
  for (const CertificateFacts& root : authority.roots()) {
    json.BeginObject();
    json.Key("keyId").String(root.key_id);
    json.Key("serial").String(root.serial);
    json.Key("subject").String(root.subject);
    json.Key("notBefore").String(JsonTime(root.not_before));
    json.Key("notAfter").String(JsonTime(root.not_after));
    const bool goes = retiring != nullptr && retiring->root_key_id == root.key_id;
    json.Key("role").String(goes ? "retiring" : root.key_id == signing ? "signing" : "trusted");
    json.Key("lastCertificateEnds");
    WriteTime(json, authority.LastLeafEnd(root.key_id));
    json.EndObject();
  }
}

void WriteWorkload(base::JsonWriter& json, const RootRotation::Progress& progress) {
  const Roster::Record& record = progress.workload.record;
  const mesh::v1::ServedCertificate& certificate = record.certificate;
  json.BeginObject();
  json.Key("namespace").String(record.workload.name_space);
  json.Key("name").String(record.workload.name);
  json.Key("connected").Bool(record.stream != Roster::kNoStream);
  json.Key("bundleGeneration").Uint(record.trust_bundle_generation);
  json.Key("holdsBundle").Bool(progress.workload.holds_bundle);
  json.Key("serial").String(certificate.serial());
  json.Key("issuerKeyId").String(certificate.issuer_key_id());
  json.Key("rootKeyId").String(certificate.root_key_id());
  json.Key("notAfter");
  if (certificate.serial().empty()) {
    json.Null();
  } else {
    json.String(JsonTime(absl::FromUnixSeconds(certificate.not_after_unix())));
  }
  json.Key("waitsFor").String(Name(progress.wait));
  json.EndObject();
}

}  // namespace

std::string RotationJson(const RootRotation& rotation) {
  const KeyRing& ring = rotation.authority().ring();
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject();
  json.Key("phase").String(Name(ring.phase()));
  json.Key("mode").String(ring.mode() == RotationMode::kManual ? "manual" : "automatic");
  json.Key("generation").Uint(ring.generation());
  json.Key("startedAt");
  WriteTime(json, ring.started());
  json.Key("since").String(JsonTime(ring.since()));
  json.Key("signer").String(ring.leaf_signer()->root_key_id);
  json.Key("roots").BeginArray();
  WriteRoots(json, rotation);
  json.EndArray();
  json.Key("waitsFor").BeginArray();
  for (const std::string& reason : rotation.WaitsFor()) json.String(reason);
  json.EndArray();
  json.Key("workloads").BeginArray();
  for (const RootRotation::Progress& each : rotation.Workloads()) WriteWorkload(json, each);
  json.EndArray();
  json.EndObject();
  text += '\n';
  return text;
}

http::EmbeddedResponse AnswerRotation(RootRotation& rotation,
                                      const http::EmbeddedRequest& request) {
  if (request.method == "POST") {
    const absl::Status done = Act(rotation, request.body);
    if (!done.ok()) return http::ErrorResponse(HttpCode(done), done.message());
  } else if (request.method != "GET" && request.method != "HEAD") {
    http::EmbeddedResponse response =
        http::ErrorResponse(405, "only GET, HEAD and POST are answered here");
    response.headers.emplace_back("Allow", "GET, HEAD, POST");
    return response;
  }
  return {.content_type = "application/json", .body = RotationJson(rotation), .headers = {}};
}

}  // namespace kith::controlplane
