#include "source/controlplane/status_json.h"

#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/version.h"

namespace kith::controlplane {
namespace {

void Write(base::JsonWriter& json, const CertificateFacts& certificate) {
  json.BeginObject();
  json.Key("serial").String(certificate.serial);
  json.Key("subject").String(certificate.subject);
  json.Key("notBefore").String(JsonTime(certificate.not_before));
  json.Key("notAfter").String(JsonTime(certificate.not_after));
  json.EndObject();
}

absl::string_view StateName(const Hub::ConfigReport& report) {
  if (!report.error.empty()) return "ERROR";
  switch (report.state) {
    case Subscription::State::kNotSent:
      return "NOT SENT";
    case Subscription::State::kStale:
      return "STALE";
    case Subscription::State::kSynced:
      return "SYNCED";
    case Subscription::State::kError:
      return "ERROR";
  }
  return "NOT SENT";
}

void Write(base::JsonWriter& json, const Hub::ConfigReport& report) {
  json.BeginObject();
  json.Key("type").String(report.type);
  json.Key("state").String(StateName(report));
  json.Key("resources").Uint(report.resources);
  json.Key("since");
  if (report.state == Subscription::State::kNotSent) {
    json.Null();
  } else {
    json.String(JsonTime(report.since));
  }
  json.Key("error").String(report.error);
  json.EndObject();
}

void WriteServed(base::JsonWriter& json, const mesh::v1::ServedCertificate& certificate) {
  if (certificate.serial().empty()) {
    json.Null();
    return;
  }
  json.BeginObject();
  json.Key("serial").String(certificate.serial());
  json.Key("notBefore").String(JsonTime(absl::FromUnixSeconds(certificate.not_before_unix())));
  json.Key("notAfter").String(JsonTime(absl::FromUnixSeconds(certificate.not_after_unix())));
  json.Key("activatedAt").String(JsonTime(absl::FromUnixSeconds(certificate.activated_unix())));
  json.Key("generation").Uint(certificate.generation());
  json.EndObject();
}

void WriteIssued(base::JsonWriter& json, const std::optional<IssuanceBook::Entry>& issued) {
  if (!issued.has_value()) {
    json.Null();
    return;
  }
  json.BeginObject();
  json.Key("serial").String(issued->serial);
  json.Key("notAfter").String(JsonTime(issued->not_after));
  json.Key("at").String(JsonTime(issued->at));
  json.EndObject();
}

void Write(base::JsonWriter& json, const Hub::WorkloadReport& report, const StatusSources& from) {
  const Workload& workload = report.record.workload;
  json.BeginObject();
  json.Key("namespace").String(workload.name_space);
  json.Key("name").String(workload.name);
  json.Key("serviceAccount").String(workload.service_account);
  json.Key("spiffeId")
      .String(absl::StrCat("spiffe://", from.authority.trust_domain(), "/ns/", workload.name_space,
                           "/sa/", workload.service_account));
  json.Key("connected").Bool(report.record.stream != Roster::kNoStream);
  json.Key("since").String(JsonTime(report.record.since));
  json.Key("peer").String(report.record.peer);
  json.Key("version").String(report.record.version);
  json.Key("labels").BeginObject();
  for (const auto& [key, value] : workload.labels) json.Key(key).String(value);
  json.EndObject();
  json.Key("certificate");
  WriteServed(json, report.record.certificate);
  json.Key("issued");
  WriteIssued(json, from.issuances.Find(workload.name_space, workload.service_account));
  json.Key("config").BeginArray();
  for (const Hub::ConfigReport& config : report.config) Write(json, config);
  json.EndArray();
  json.EndObject();
}

void Write(base::JsonWriter& json, const DirectoryRegistry& registry) {
  json.BeginObject();
  json.Key("directory").String(registry.directory());
  json.Key("loadedAt").String(JsonTime(registry.loaded_at()));
  json.Key("error").String(registry.directory_error().message());
  json.Key("resources").BeginObject();
  for (const auto& [kind, count] : registry.Kinds()) json.Key(kind).Int(count);
  json.EndObject();
  json.Key("files").BeginArray();
  for (const FileReport& report : registry.reports()) {
    json.BeginObject();
    json.Key("file").String(report.file);
    json.Key("state").String(report.status.ok() ? "good" : "bad");
    json.Key("error").String(report.status.message());
    json.Key("lastGoodInForce").Bool(report.has_last_good);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace

std::string JsonTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string StatusJson(const StatusSources& sources) {
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject();
  json.Key("version").String(base::kVersion);
  json.Key("trustDomain").String(sources.authority.trust_domain());
  json.Key("startedAt").String(JsonTime(sources.started));
  json.Key("roots").BeginArray();
  for (const CertificateFacts& root : sources.authority.roots()) Write(json, root);
  json.EndArray();
  json.Key("signer");
  Write(json, sources.authority.signer());
  json.Key("workloads").BeginArray();
  for (const Hub::WorkloadReport& report : sources.hub.Workloads()) Write(json, report, sources);
  json.EndArray();
  json.Key("registry");
  Write(json, sources.registry);
  json.EndObject();
  text += '\n';
  return text;
}

}  // namespace kith::controlplane
