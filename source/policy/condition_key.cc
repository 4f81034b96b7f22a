#include "source/policy/condition_key.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kith::policy {
namespace {

constexpr size_t kMaxKey = 1024;

struct Known {
  absl::string_view key;
  Attribute attribute;
};
constexpr Known kPlain[] = {
    {"source.ip", Attribute::kSourceIp},
    {"remote.ip", Attribute::kRemoteIp},
    {"source.namespace", Attribute::kNamespace},
    {"source.principal", Attribute::kPrincipal},
    {"source.serviceAccount", Attribute::kServiceAccount},
    {"source.trustDomain", Attribute::kTrustDomain},
    {"request.auth.principal", Attribute::kRequestPrincipal},
    {"destination.ip", Attribute::kDestinationIp},
    {"destination.port", Attribute::kDestinationPort},
    {"connection.sni", Attribute::kSni},
    {"source.certificate.subject.cn", Attribute::kCertificateCn},
    {"source.certificate.subject.o", Attribute::kCertificateO},
    {"source.certificate.subject.ou", Attribute::kCertificateOu},
    {"source.certificate.serial", Attribute::kCertificateSerial},
    {"source.certificate.issuer", Attribute::kCertificateIssuer},
    {"source.certificate.fingerprint", Attribute::kCertificateFingerprint},
    {"source.certificate.dns", Attribute::kCertificateDns},
};

// "[a][b]": a and b. False when it is anything else.
bool ParseBrackets(absl::string_view text, std::vector<std::string>& out) {
  while (absl::ConsumePrefix(&text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos || end == 0) return false;
    const absl::string_view name = text.substr(0, end);
    if (absl::StrContains(name, '[')) return false;
    out.emplace_back(name);
    text.remove_prefix(end + 1);
  }
  return text.empty() && !out.empty();
}

bool IsHeaderName(absl::string_view name) {
  absl::ConsumePrefix(&name, ":");
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("!#$%&'*+-.^_`|~", c);
  });
}

bool IsObjectId(absl::string_view text) {
  char previous = '.';
  for (const char c : text) {
    if (!absl::ascii_isdigit(c) && (c != '.' || previous == '.')) return false;
    previous = c;
  }
  return previous != '.';
}

absl::Status Malformed(absl::string_view key, absl::string_view form) {
  return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" is malformed; write ", form));
}

}  // namespace

bool IsIdentity(Attribute attribute) {
  switch (attribute) {
    case Attribute::kPrincipal:
    case Attribute::kNamespace:
    case Attribute::kServiceAccount:
    case Attribute::kTrustDomain:
    case Attribute::kRequestPrincipal:
    case Attribute::kClaim:
      return true;
    default:
      return false;
  }
}

absl::StatusOr<ConditionKey> ParseConditionKey(absl::string_view key) {
  if (key.size() > kMaxKey) return absl::InvalidArgumentError("is longer than any key");
  for (const Known& known : kPlain) {
    if (key == known.key) return ConditionKey{known.attribute, {}, {}};
  }
  if (key == "request.auth.audiences") return ConditionKey{Attribute::kClaim, {}, {"aud"}};
  if (key == "request.auth.presenter") return ConditionKey{Attribute::kClaim, {}, {"azp"}};
  std::vector<std::string> names;
  absl::string_view rest = key;
  if (absl::ConsumePrefix(&rest, "request.auth.claims")) {
    if (!ParseBrackets(rest, names)) return Malformed(key, "request.auth.claims[a] or ...[a][b]");
    return ConditionKey{Attribute::kClaim, {}, std::move(names)};
  }
  if (absl::ConsumePrefix(&rest, "request.headers")) {
    if (!ParseBrackets(rest, names) || names.size() != 1 || !IsHeaderName(names[0])) {
      return Malformed(key, "request.headers[x-name]");
    }
    return ConditionKey{Attribute::kHeader, absl::AsciiStrToLower(names[0]), {}};
  }
  if (absl::ConsumePrefix(&rest, "source.certificate.extension")) {
    if (!ParseBrackets(rest, names) || names.size() != 1 || !IsObjectId(names[0])) {
      return Malformed(key, "source.certificate.extension[1.2.3]");
    }
    return ConditionKey{Attribute::kCertificateExtension, std::move(names[0]), {}};
  }
  if (absl::StartsWith(key, "experimental.")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is not supported: filter metadata is Envoy's own"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", key, "\" is unknown; docs/authorization.md lists the keys"));
}

}  // namespace kith::policy
