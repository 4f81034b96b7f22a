#include "source/sidecar/status_json.h"

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/version.h"

namespace kith::sidecar {
namespace {

using base::JsonWriter;

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// Null for a moment that has not come.
void WriteTime(JsonWriter& json, absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) {
    json.Null();
  } else {
    json.String(TimeText(time));
  }
}

absl::string_view ModeName(mesh::MtlsMode mode) {
  switch (mode) {
    case mesh::MtlsMode::kStrict:
      return "STRICT";
    case mesh::MtlsMode::kPermissive:
      return "PERMISSIVE";
    case mesh::MtlsMode::kDisable:
      return "DISABLE";
  }
  return "STRICT";
}

absl::string_view ProtocolName(mesh::Protocol protocol) {
  switch (protocol) {
    case mesh::Protocol::kHttp:
      return "HTTP";
    case mesh::Protocol::kHttp2:
      return "HTTP2";
    case mesh::Protocol::kDetect:
      return "DETECT";
    case mesh::Protocol::kTcp:
      break;
  }
  return "TCP";
}

void WriteAttempt(JsonWriter& json, absl::Time at, identity::Failure failure,
                  const std::string& error) {
  if (at == absl::InfinitePast()) {
    json.Null();
    return;
  }
  json.BeginObject();
  json.Key("at").String(TimeText(at));
  json.Key("result").String(failure == identity::Failure::kNone ? "ok" : identity::Name(failure));
  json.Key("error").String(error);
  json.EndObject();
}

void WriteCertificate(JsonWriter& json, const tls::CertificateInfo& certificate) {
  json.Key("serial").String(certificate.serial);
  json.Key("subject").String(certificate.subject);
  json.Key("issuer").String(certificate.issuer);
  json.Key("keyId").String(certificate.key_id);
  json.Key("issuerKeyId").String(certificate.issuer_key_id);
  json.Key("notBefore").String(TimeText(certificate.not_before));
  json.Key("notAfter").String(TimeText(certificate.not_after));
}

void WriteBundles(JsonWriter& json, const identity::Manager& identity) {
  json.BeginArray();
  for (const identity::BundleSet::Entry& entry : identity.bundles()) {
    json.BeginObject();
    json.Key("trustDomain").String(entry.domain.trust_domain);
    json.Key("from").String(identity::Name(entry.origin));
    json.Key("generation").Uint(entry.domain.generation);
    json.Key("roots").Uint(identity.bundle().RootsOf(entry.domain.trust_domain).size());
    json.Key("retiringKeyIds").BeginArray();
    for (const std::string& key_id : entry.domain.retiring_key_ids) json.String(key_id);
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
}

void WriteCertificates(JsonWriter& json, const StatusSources& from,
                       const Workers::Activity& activity) {
  const identity::Manager::Report& report = from.identity.report();
  const auto& context = from.identity.context();
  json.BeginObject();
  json.Key("spiffeId");
  if (const auto id = from.bootstrap.Id(); id.ok()) {
    json.String(id->text());
  } else {
    json.Null();
  }
  json.Key("source").String(from.source.name());
  json.Key("generation").Uint(report.generation);
  json.Key("rotations").Uint(report.rotations);
  json.Key("activatedAt");
  WriteTime(json, report.activated_at);
  json.Key("chain").BeginArray();
  if (context != nullptr) {
    for (const tls::CertificateInfo& certificate : context->identity().chain_info()) {
      json.BeginObject();
      WriteCertificate(json, certificate);
      json.EndObject();
    }
  }
  json.EndArray();
  json.Key("servedSerials").BeginArray();
  for (const std::string& serial : activity.serials) json.String(serial);
  json.EndArray();
  json.Key("workersBehind").Uint(activity.workers_behind);
  json.Key("roots").BeginArray();
  for (const tls::TrustBundle::Domain& domain : from.identity.bundle().domains()) {
    for (const tls::CertificateInfo& root : from.identity.bundle().RootInfo(domain.trust_domain)) {
      json.BeginObject();
      json.Key("trustDomain").String(domain.trust_domain);
      WriteCertificate(json, root);
      json.EndObject();
    }
  }
  json.EndArray();
  json.Key("bundles");
  WriteBundles(json, from.identity);
  json.Key("nextRenewal");
  WriteTime(json, from.source.next_attempt());
  json.Key("lastAttempt");
  WriteAttempt(json, report.last_attempt_at, report.last_failure, report.last_error);
  json.Key("lastFailure");
  WriteAttempt(json, report.failed_at, report.failed, report.failed_error);
  json.EndObject();
}

void WriteWorkload(JsonWriter& json, const Bootstrap& bootstrap) {
  json.BeginObject();
  json.Key("name").String(bootstrap.name);
  json.Key("namespace").String(bootstrap.name_space);
  json.Key("serviceAccount").String(bootstrap.service_account);
  json.Key("spiffeId");
  const auto id = bootstrap.Id();
  json.String(id.ok() ? id->text() : "");
  json.Key("labels").BeginObject();
  for (const auto& [key, value] : bootstrap.labels) json.Key(key).String(value);
  json.EndObject();
  json.EndObject();
}

absl::string_view TlsName(mesh::EndpointTls tls) {
  switch (tls) {
    case mesh::EndpointTls::kMutual:
      return "MUTUAL";
    case mesh::EndpointTls::kOriginated:
      return "ORIGINATED";
    case mesh::EndpointTls::kPlaintext:
      break;
  }
  return "PLAINTEXT";
}

void WriteService(JsonWriter& json, const mesh::Service& service) {
  json.BeginObject();
  json.Key("host").String(service.host);
  json.Key("ports").BeginArray();
  for (const mesh::ServicePort& port : service.ports) {
    json.BeginObject();
    json.Key("number").Uint(port.number);
    json.Key("protocol").String(ProtocolName(port.protocol));
    json.Key("endpoints").BeginArray();
    for (const mesh::Endpoint& endpoint : port.endpoints) {
      json.BeginObject();
      json.Key("address").String(endpoint.address.ToString());
      json.Key("workload").String(endpoint.workload);
      json.Key("tls").String(TlsName(endpoint.tls));
      json.Key("principals").BeginArray();
      for (const base::SpiffeId& principal : endpoint.principals) json.String(principal.text());
      json.EndArray();
      json.EndObject();
    }
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void WriteConfig(JsonWriter& json, const control::DiscoveryClient& discovery) {
  const control::Update update = discovery.current();
  json.BeginObject();
  json.Key("version").String(update.version);
  json.Key("mtls").String(ModeName(update.snapshot->modes.mode));
  json.Key("portMtls").BeginObject();
  const absl::btree_map<uint16_t, mesh::MtlsMode> port_modes(
      update.snapshot->modes.port_modes.begin(), update.snapshot->modes.port_modes.end());
  for (const auto& [port, mode] : port_modes) json.Key(absl::StrCat(port)).String(ModeName(mode));
  json.EndObject();
  json.Key("policies").BeginArray();
  for (const control::PolicySummary& policy : update.summaries) {
    json.BeginObject();
    json.Key("name").String(policy.name);
    json.Key("action").String(policy.action);
    json.Key("rules").Int(policy.rules);
    json.EndObject();
  }
  json.EndArray();
  json.Key("services").BeginArray();
  const absl::btree_map<std::string, std::shared_ptr<const mesh::Service>> services(
      update.snapshot->services.begin(), update.snapshot->services.end());
  for (const auto& [host, service] : services) WriteService(json, *service);
  json.EndArray();
  json.Key("lastError").String(discovery.report().refused);
  json.EndObject();
}

void WriteListeners(JsonWriter& json, const StatusSources& from) {
  json.BeginObject();
  json.Key("inbound").BeginArray();
  for (size_t i = 0; i < from.bootstrap.inbound.size(); ++i) {
    const proxy::InboundOptions& listener = from.bootstrap.inbound[i];
    json.BeginObject();
    json.Key("bind").String(from.workers.inbound()[i].ToString());
    json.Key("application").String(listener.application.ToString());
    json.Key("port").Uint(listener.port);
    json.Key("protocol").String(ProtocolName(listener.protocol));
    json.EndObject();
  }
  json.EndArray();
  json.Key("outbound").BeginArray();
  for (size_t i = 0; i < from.bootstrap.outbound.size(); ++i) {
    const proxy::OutboundOptions& listener = from.bootstrap.outbound[i];
    json.BeginObject();
    json.Key("bind").String(from.workers.outbound()[i].ToString());
    json.Key("service").String(listener.service);
    json.Key("port").Uint(listener.port);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

absl::string_view PressureName(proxy::MemoryPressure pressure) {
  switch (pressure) {
    case proxy::MemoryPressure::kNone:
      return "NONE";
    case proxy::MemoryPressure::kShedRequests:
      return "SHED_REQUESTS";
    case proxy::MemoryPressure::kRefuseConnections:
      return "REFUSE_CONNECTIONS";
  }
  return "NONE";
}

void WriteMemory(JsonWriter& json, const MemoryGuard& memory) {
  json.BeginObject();
  json.Key("limitBytes").Uint(memory.limit_bytes());
  json.Key("residentBytes").Uint(memory.resident_bytes());
  json.Key("pressure").String(PressureName(memory.pressure()));
  json.EndObject();
}

}  // namespace

std::vector<std::string> NotReady(const StatusSources& sources) {
  std::vector<std::string> reasons;
  if (sources.departure.begun()) reasons.push_back("it is stopping");
  const auto because = [](absl::string_view what, const std::string& error) {
    return error.empty() ? std::string(what) : absl::StrCat(what, ": ", error);
  };
  const std::string& identity_error = sources.identity.report().last_error;
  const auto& context = sources.identity.context();
  if (context == nullptr) {
    reasons.push_back(because("no certificate yet", identity_error));
  } else if (sources.clock.Now() >= context->identity().not_after()) {
    reasons.push_back(because("the certificate has ended", identity_error));
  }
  if (!sources.discovery.current().configured) {
    const control::DiscoveryClient::Report& report = sources.discovery.report();
    reasons.push_back(because("no configuration from the control plane yet",
                              report.refused.empty() ? report.last_error : report.refused));
  }
  return reasons;
}

std::string StatusJson(const StatusSources& sources, const Workers::Activity& activity) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("version").String(base::kVersion);
  json.Key("workload");
  WriteWorkload(json, sources.bootstrap);
  json.Key("startedAt").String(TimeText(sources.started));
  const std::vector<std::string> not_ready = NotReady(sources);
  json.Key("ready").Bool(not_ready.empty());
  json.Key("notReady").BeginArray();
  for (const std::string& reason : not_ready) json.String(reason);
  json.EndArray();
  json.Key("identity");
  WriteCertificates(json, sources, activity);
  const control::DiscoveryClient::Report& report = sources.discovery.report();
  json.Key("controlPlane").BeginObject();
  json.Key("address").String(sources.bootstrap.control_plane);
  json.Key("connected").Bool(report.connected);
  json.Key("since");
  WriteTime(json, report.since);
  json.Key("lastError").String(report.last_error);
  json.EndObject();
  json.Key("config");
  WriteConfig(json, sources.discovery);
  json.Key("listeners");
  WriteListeners(json, sources);
  json.Key("connections").BeginObject();
  json.Key("inbound").Uint(activity.inbound_connections);
  json.Key("outbound").Uint(activity.outbound_connections);
  json.Key("upstream").Uint(activity.upstream_connections);
  json.EndObject();
  json.Key("memory");
  WriteMemory(json, sources.memory);
  json.EndObject();
  text += '\n';
  return text;
}

std::string CertificatesJson(const StatusSources& sources, const Workers::Activity& activity) {
  std::string text;
  JsonWriter json(text);
  WriteCertificates(json, sources, activity);
  text += '\n';
  return text;
}

}  // namespace kith::sidecar
