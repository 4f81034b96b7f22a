#include "source/ctl/authz_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/telemetry/access_entry.h"

namespace kith::ctl {
namespace {

using nlohmann::json;
using policy::Attribute;

// The log's own lines are shorter.
constexpr size_t kLongestLine = size_t{256} * 1024;
// Ways to read one request principal; beyond, it counts as unknown.
constexpr size_t kMostReadings = 16;
// What stands for bytes that were no UTF-8.
constexpr absl::string_view kReplaced = "\xef\xbf\xbd";

absl::Status Bad(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

// A member; null when it is not there or `object` is none.
const json* Find(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? nullptr : &*found;
}

absl::Status Text(const json& object, const char* key, std::string& out) {
  const json* const value = Find(object, key);
  if (value == nullptr || value->is_null()) return absl::OkStatus();
  if (!value->is_string()) return Bad(key, "is no text");
  out = value->get<std::string>();
  return absl::OkStatus();
}

absl::Status Number(const json& object, const char* key, int64_t most, int64_t& out) {
  const json* const value = Find(object, key);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_number_integer()) return Bad(key, "is no number");
  const auto number = value->get<int64_t>();
  if (number < 0 || number > most) return Bad(key, "is out of range");
  out = number;
  return absl::OkStatus();
}

absl::Status ReadParties(const json& line, LogRecord& record) {
  if (const json* source = Find(line, "source")) {
    KITH_RETURN_IF_ERROR(Text(*source, "address", record.source_address));
    KITH_RETURN_IF_ERROR(Text(*source, "principal", record.source_principal));
    KITH_RETURN_IF_ERROR(Text(*source, "serial", record.source_serial));
  }
  if (const json* destination = Find(line, "destination")) {
    KITH_RETURN_IF_ERROR(Text(*destination, "workload", record.workload));
    KITH_RETURN_IF_ERROR(Text(*destination, "bind", record.bind));
    int64_t port = 0;
    KITH_RETURN_IF_ERROR(Number(*destination, "port", 65535, port));
    record.port = static_cast<uint16_t>(port);
  }
  if (const json* tls = Find(line, "tls")) {
    record.mutual_tls = true;
    KITH_RETURN_IF_ERROR(Text(*tls, "sni", record.sni));
  }
  return absl::OkStatus();
}

absl::Status ReadHeaders(const json& line, LogRecord& record) {
  const json* const headers = Find(line, "headers");
  if (headers == nullptr) return absl::OkStatus();
  if (!headers->is_object()) return Bad("headers", "is no object");
  for (const auto& [name, lines] : headers->items()) {
    if (!lines.is_array()) return Bad("headers", "a header's lines are no list");
    std::vector<std::string>& values = record.headers[absl::AsciiStrToLower(name)];
    for (const json& value : lines) {
      if (!value.is_string()) return Bad("headers", "a header's line is no text");
      values.push_back(value.get<std::string>());
    }
  }
  return absl::OkStatus();
}

absl::Status ReadDecision(const json& line, LogRecord& record) {
  KITH_RETURN_IF_ERROR(Text(line, "decision", record.decision));
  if (!record.decision.empty() && record.decision != "allowed" && record.decision != "denied") {
    return Bad("decision", "is neither allowed nor denied");
  }
  KITH_RETURN_IF_ERROR(Text(line, "policy", record.policy));
  int64_t rule = -1;
  KITH_RETURN_IF_ERROR(Number(line, "rule", INT32_MAX, rule));
  record.rule = static_cast<int>(rule);
  KITH_RETURN_IF_ERROR(Text(line, "reason", record.reason));
  KITH_RETURN_IF_ERROR(Text(line, "audit_policy", record.audit_policy));
  const json* const dry_run = Find(line, "dry_run");
  if (dry_run == nullptr) return absl::OkStatus();
  KITH_RETURN_IF_ERROR(Text(*dry_run, "decision", record.dry_run_decision));
  return Text(*dry_run, "policy", record.dry_run_policy);
}

// Whether a field may be shorter, or other, than what was sent.
bool IsChanged(absl::string_view field) {
  return field.size() + 3 >= telemetry::kLongestAccessField || absl::StrContains(field, kReplaced);
}

policy::Claim TextClaim(absl::string_view text) {
  policy::Claim claim;
  claim.kind = policy::Claim::Kind::kString;
  claim.text = std::string(text);
  return claim;
}

absl::optional<base::SocketAddress> AddressOf(const std::string& text) {
  auto address = base::SocketAddress::Parse(text);
  if (!address.ok()) return absl::nullopt;
  return *std::move(address);
}

void FindUnknown(const LogRecord& record, const AuthzRequest& request, policy::Unknown& unknown) {
  if (!record.source_principal.empty()) {
    for (Attribute attribute :
         {Attribute::kCertificateCn, Attribute::kCertificateO, Attribute::kCertificateOu,
          Attribute::kCertificateIssuer, Attribute::kCertificateFingerprint,
          Attribute::kCertificateDns, Attribute::kCertificateExtension}) {
      unknown.Add(attribute);
    }
    if (record.source_serial.empty()) unknown.Add(Attribute::kCertificateSerial);
  }
  if (!request.source) {
    unknown.Add(Attribute::kSourceIp);
    unknown.Add(Attribute::kRemoteIp);
  }
  if (!request.destination) unknown.Add(Attribute::kDestinationIp);
  if (record.port == 0) unknown.Add(Attribute::kDestinationPort);
  if (IsChanged(record.sni)) unknown.Add(Attribute::kSni);
  if (!record.http) return;
  if (record.method.empty() || IsChanged(record.method)) unknown.Add(Attribute::kMethod);
  if (record.path.empty() || IsChanged(record.path)) unknown.Add(Attribute::kPath);
  if (IsChanged(record.host)) unknown.Add(Attribute::kHost);
  unknown.Add(Attribute::kHeader);
  for (const char* name : {":method", ":scheme"}) unknown.KnowHeader(name);
  if (!IsChanged(record.host)) {
    for (const char* name : {":authority", "host"}) unknown.KnowHeader(name);
  }
  for (const auto& [name, lines] : record.headers) {
    if (std::none_of(lines.begin(), lines.end(), IsChanged) && lines.size() < 8) {
      unknown.KnowHeader(name);
    }
  }
  if (!record.request_principal.empty()) unknown.Add(Attribute::kClaim);
}

}  // namespace

std::string LogRecord::Source() const {
  if (!source_principal.empty()) {
    return std::string(absl::StripPrefix(source_principal, "spiffe://"));
  }
  const auto address = AddressOf(source_address);
  return address ? address->IpString() : source_address;
}

absl::StatusOr<LogRecord> ParseLogLine(absl::string_view text) {
  if (text.size() > kLongestLine) return absl::InvalidArgumentError("the line is too long");
  const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return absl::InvalidArgumentError("is no line of an access log");
  LogRecord record;
  std::string kind, direction;
  KITH_RETURN_IF_ERROR(Text(line, "time", record.time));
  KITH_RETURN_IF_ERROR(Text(line, "kind", kind));
  KITH_RETURN_IF_ERROR(Text(line, "direction", direction));
  if (kind != "http" && kind != "tcp") return Bad("kind", "is neither http nor tcp");
  if (direction != "inbound" && direction != "outbound") {
    return Bad("direction", "is neither inbound nor outbound");
  }
  record.http = kind == "http";
  record.inbound = direction == "inbound";
  KITH_RETURN_IF_ERROR(Text(line, "request_id", record.request_id));
  KITH_RETURN_IF_ERROR(ReadParties(line, record));
  KITH_RETURN_IF_ERROR(Text(line, "method", record.method));
  KITH_RETURN_IF_ERROR(Text(line, "path", record.path));
  KITH_RETURN_IF_ERROR(Text(line, "host", record.host));
  KITH_RETURN_IF_ERROR(Text(line, "request_principal", record.request_principal));
  KITH_RETURN_IF_ERROR(ReadHeaders(line, record));
  KITH_RETURN_IF_ERROR(ReadDecision(line, record));
  return record;
}

std::vector<AuthzRequest> RequestsOf(const LogRecord& record, policy::Unknown& unknown) {
  AuthzRequest request;
  request.principal = record.source_principal;
  request.serial = record.source_serial;
  request.source = AddressOf(record.source_address);
  request.destination = AddressOf(record.bind);
  request.port = record.port;
  request.sni = record.sni;
  request.http = record.http;
  request.method = record.method;
  request.host = record.host;
  request.path = record.path;
  request.path_is = AuthzRequest::Path::kNormalized;
  for (const auto& [name, lines] : record.headers) {
    for (const std::string& value : lines) request.headers.emplace_back(name, value);
  }
  FindUnknown(record, request, unknown);
  const std::string& principal = record.request_principal;
  const auto slashes = static_cast<size_t>(std::count(principal.begin(), principal.end(), '/'));
  if (principal.empty()) return {std::move(request)};
  if (slashes == 0 || slashes > kMostReadings || IsChanged(principal)) {
    unknown.Add(Attribute::kRequestPrincipal);
    return {std::move(request)};
  }
  std::vector<AuthzRequest> readings;
  for (size_t at = principal.find('/'); at != std::string::npos; at = principal.find('/', at + 1)) {
    policy::Claim payload;
    payload.kind = policy::Claim::Kind::kMap;
    const absl::string_view whole = principal;
    if (at > 0) payload.members.emplace_back("iss", TextClaim(whole.substr(0, at)));
    if (at + 1 < whole.size()) payload.members.emplace_back("sub", TextClaim(whole.substr(at + 1)));
    request.claims = std::move(payload);
    readings.push_back(request);
  }
  return readings;
}

LoggedVerdict JudgeLogged(const CaseContext& context, const LogRecord& record) {
  policy::Unknown unknown;
  LoggedVerdict all;
  bool first = true;
  for (const AuthzRequest& request : RequestsOf(record, unknown)) {
    PartialVerdict one = DecidePartly(context, request, unknown);
    all.refusal = std::move(one.refusal);
    for (std::string& what : one.decision.missing) {
      if (std::find(all.missing.begin(), all.missing.end(), what) == all.missing.end()) {
        all.missing.push_back(std::move(what));
      }
    }
    const policy::Truth allowed = one.decision.allowed;
    if (!first && allowed != all.allowed && all.missing.empty()) {
      all.missing.push_back("where the issuer ends and the subject begins in request_principal");
    }
    all.allowed = first || allowed == all.allowed ? allowed : policy::Truth::kUnknown;
    first = false;
  }
  if (all.allowed != policy::Truth::kUnknown) all.missing.clear();
  return all;
}

absl::StatusOr<LogCounts> ReadLogs(const std::vector<std::string>& files,
                                   const std::function<void(const LogRecord&)>& take) {
  LogCounts counts;
  for (const std::string& file : files) {
    std::ifstream opened;
    if (file != "-") {
      opened.open(file);
      if (!opened) {
        return absl::InvalidArgumentError(
            absl::StrCat("read ", file, ": ", std::strerror(errno), "; is it an access log?"));
      }
    }
    std::istream& in = file == "-" ? std::cin : opened;
    std::string line;
    for (size_t number = 1; std::getline(in, line); ++number) {
      if (absl::StripAsciiWhitespace(line).empty()) continue;
      ++counts.lines;
      const absl::StatusOr<LogRecord> record = ParseLogLine(line);
      if (record.ok()) {
        take(*record);
        continue;
      }
      if (counts.unreadable++ == 0) {
        counts.first_error = absl::StrCat(file, ":", number, ": ", record.status().message());
      }
    }
  }
  return counts;
}

}  // namespace kith::ctl
