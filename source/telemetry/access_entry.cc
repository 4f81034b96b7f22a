#include "source/telemetry/access_entry.h"

#include "absl/strings/match.h"
#include "source/base/json_writer.h"
#include "source/base/timestamp.h"

namespace kith::telemetry {
namespace {

// A SPIFFE ID fits; a path or a host of a peer's making does not fill the disk.
constexpr size_t kLongest = kLongestAccessField;
constexpr size_t kMostHeaderLines = 8;

absl::string_view Bounded(absl::string_view text) {
  if (text.size() <= kLongest) return text;
  size_t end = kLongest;
  // Not in the middle of a UTF-8 sequence, which has at most three more bytes.
  for (int i = 0; i < 3 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80; ++i) --end;
  return text.substr(0, end);
}

void Field(absl::string_view key, absl::string_view value, base::JsonWriter& json) {
  if (!value.empty()) json.Key(key).String(Bounded(value));
}

// Opens the object and leaves it open.
void Party(absl::string_view key, const AccessParty& party, base::JsonWriter& json) {
  json.Key(key).BeginObject();
  Field("address", party.address, json);
  Field("principal", party.principal, json);
  Field("serial", party.serial, json);
  Field("workload", party.workload, json);
}

void Headers(const AccessEntry& entry, base::JsonWriter& json) {
  if (entry.header_names.empty()) return;
  json.Key("headers").BeginObject();
  for (const std::string& name : entry.header_names) {
    json.Key(name).BeginArray();
    size_t left = kMostHeaderLines;
    for (const auto& [header, value] : entry.headers) {
      if (left == 0 || !absl::EqualsIgnoreCase(header, name)) continue;
      json.String(Bounded(value));
      --left;
    }
    json.EndArray();
  }
  json.EndObject();
}

void Marks(const AccessEntry& entry, base::JsonWriter& json) {
  Field("audit_policy", entry.audit_policy, json);
  if (entry.dry_run_decision.empty()) return;
  json.Key("dry_run").BeginObject();
  Field("decision", entry.dry_run_decision, json);
  Field("policy", entry.dry_run_policy, json);
  if (entry.dry_run_rule >= 0) json.Key("rule").Int(entry.dry_run_rule);
  json.EndObject();
}

void Time(absl::Time time, base::JsonWriter& json) {
  const std::string text = base::Rfc3339Micros(time);
  json.Key("time");
  if (text.empty()) {
    json.Null();
  } else {
    json.String(text);
  }
}

}  // namespace

void FormatAccessEntry(const AccessEntry& entry, std::string& out) {
  base::JsonWriter json(out);
  json.BeginObject();
  Time(entry.time, json);
  Field("kind", entry.kind, json);
  Field("direction", entry.direction, json);
  Field("request_id", entry.request_id, json);
  Party("source", entry.source, json);
  json.EndObject();
  Party("destination", entry.destination, json);
  Field("bind", entry.bind, json);
  if (entry.port != 0) json.Key("port").Uint(entry.port);
  json.EndObject();
  Field("request_principal", entry.request_principal, json);
  Field("service", entry.service, json);
  if (!entry.tls_version.empty()) {
    json.Key("tls").BeginObject();
    Field("version", entry.tls_version, json);
    Field("alpn", entry.alpn, json);
    Field("sni", entry.sni, json);
    json.EndObject();
  }
  Field("method", entry.method, json);
  Field("path", entry.path.substr(0, entry.path.find_first_of("?#")), json);
  Field("host", entry.host, json);
  Headers(entry, json);
  if (entry.status != 0) json.Key("status").Int(entry.status);
  json.Key("bytes_received").Uint(entry.bytes_received);
  json.Key("bytes_sent").Uint(entry.bytes_sent);
  json.Key("duration_ms")
      .Double(static_cast<double>(absl::ToInt64Microseconds(entry.duration)) / 1000);
  Field("decision", entry.decision, json);
  Field("policy", entry.policy, json);
  if (entry.rule >= 0) json.Key("rule").Int(entry.rule);
  if (entry.from >= 0) json.Key("from").Int(entry.from);
  if (entry.to >= 0) json.Key("to").Int(entry.to);
  Marks(entry, json);
  if (entry.reason != Reason::kNone) json.Key("reason").String(Name(entry.reason));
  Field("detail", entry.detail, json);
  json.EndObject();
  out += '\n';
}

}  // namespace kith::telemetry
