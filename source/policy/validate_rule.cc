#include "source/policy/validate_rule.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "source/base/status.h"
#include "source/policy/condition_key.h"
#include "source/policy/ip_block.h"
#include "source/policy/pattern.h"

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicySpec;
using security::v1::Condition;
using security::v1::Operation;
using security::v1::Rule;
using security::v1::Source;
using Values = google::protobuf::RepeatedPtrField<std::string>;

constexpr int kMaxFrom = 512;
constexpr int kMaxServiceAccounts = 16;
constexpr size_t kMaxServiceAccount = 320;

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckPrincipal(absl::string_view value) {
  if (absl::StartsWithIgnoreCase(value, "spiffe://")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "principals are written without \"spiffe://\" and never match with it; write \"",
        value.substr(9), "\""));
  }
  const absl::string_view trust_domain = value.substr(0, value.find('/'));
  if (!absl::StartsWith(value, "*") && trust_domain != absl::AsciiStrToLower(trust_domain)) {
    return absl::InvalidArgumentError(
        absl::StrCat("trust domains are lower-case and \"", trust_domain, "\" never matches one"));
  }
  return absl::OkStatus();
}

absl::Status CheckNamespace(absl::string_view value) {
  if (!absl::StrContains(value, '/')) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "a namespace holds no \"/\"; did you mean principals, as in \"cluster.local/ns/a/sa/b\"?");
}

absl::Status CheckPort(absl::string_view value) {
  if (ParsePort(value) >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", value, "\" is not a port; write a number from 0 to 65535"));
}

absl::Status CheckAny(absl::string_view) { return absl::OkStatus(); }

absl::Status CheckIpBlock(absl::string_view value) { return ParseIpBlock(value).status(); }

absl::Status CheckServiceAccount(absl::string_view value) {
  if (value.size() > kMaxServiceAccount) {
    return absl::InvalidArgumentError(
        absl::StrCat("longer than ", kMaxServiceAccount, " characters"));
  }
  if (absl::StrContains(value, '*')) {
    return absl::InvalidArgumentError(
        "service accounts are taken literally; name each, or use principals with a \"*\"");
  }
  const auto slashes = std::count(value.begin(), value.end(), '/');
  if (slashes > 1 || absl::StartsWith(value, "/") || absl::EndsWith(value, "/")) {
    return absl::InvalidArgumentError("write \"<service account>\" or \"<namespace>/<account>\"");
  }
  return absl::OkStatus();
}

absl::Status CheckTrustDomain(absl::string_view value) {
  if (absl::StrContains(value, '/')) {
    return absl::InvalidArgumentError("a trust domain holds no \"/\"; did you mean principals?");
  }
  const auto stars = std::count(value.begin(), value.end(), '*');
  const bool at_an_end = absl::StartsWith(value, "*") || absl::EndsWith(value, "*");
  if (stars > 1 || (stars == 1 && !at_an_end)) {
    return absl::InvalidArgumentError("one \"*\", at the beginning or the end, is understood");
  }
  if (value != absl::AsciiStrToLower(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("trust domains are lower-case and \"", value, "\" never matches one"));
  }
  return absl::OkStatus();
}

absl::Status CheckPath(absl::string_view value) {
  if (Pattern::IsTemplate(value)) {
    return Pattern::Template(value, Pattern::TemplateBytes::kListed).status();
  }
  if (value.find_first_of("{}") == absl::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError("\"{\" and \"}\" mean something only as {*} or {**}");
}

using Check = absl::Status (*)(absl::string_view);

absl::Status CheckValues(const Values& values, absl::string_view field, Check check) {
  for (int i = 0; i < values.size(); ++i) {
    const std::string at = absl::StrCat(field, "[", i, "]");
    if (values[i].empty()) return Invalid(at, "is empty; \"*\" matches any value that is present");
    KITH_RETURN_IF_ERROR(base::Annotate(check(values[i]), at));
  }
  return absl::OkStatus();
}

// How the values of an attribute are written, in a field or under a condition's key.
Check CheckOf(Attribute attribute) {
  switch (attribute) {
    case Attribute::kPrincipal:
      return CheckPrincipal;
    case Attribute::kNamespace:
      return CheckNamespace;
    case Attribute::kServiceAccount:
      return CheckServiceAccount;
    case Attribute::kTrustDomain:
      return CheckTrustDomain;
    case Attribute::kSourceIp:
    case Attribute::kRemoteIp:
    case Attribute::kDestinationIp:
      return CheckIpBlock;
    case Attribute::kDestinationPort:
      return CheckPort;
    case Attribute::kPath:
      return CheckPath;
    default:
      return CheckAny;
  }
}

struct List {
  Attribute attribute;
  absl::string_view name;
  const Values& values;
};

absl::Status CheckLists(absl::Span<const List> lists, AuthorizationPolicySpec::Action action,
                        const std::string& field) {
  for (const List& list : lists) {
    if (list.values.empty()) continue;
    const std::string at = absl::StrCat(field, ".", list.name);
    if (action == AuthorizationPolicySpec::CUSTOM && IsIdentity(list.attribute)) {
      return Invalid(at, "a CUSTOM policy cannot ask who the peer is; leave that to its provider");
    }
    KITH_RETURN_IF_ERROR(CheckValues(list.values, at, CheckOf(list.attribute)));
    if (list.attribute == Attribute::kServiceAccount && list.values.size() > kMaxServiceAccounts) {
      return Invalid(at, absl::StrCat("more than ", kMaxServiceAccounts, "; split the rule"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSource(const Source& from, AuthorizationPolicySpec::Action action,
                         const std::string& field) {
  if (from.ByteSizeLong() == 0) {
    return Invalid(field,
                   "must not be empty; name principals or namespaces, or remove the \"from\"");
  }
  const List lists[] = {
      {Attribute::kPrincipal, "principals", from.principals()},
      {Attribute::kPrincipal, "notPrincipals", from.not_principals()},
      {Attribute::kRequestPrincipal, "requestPrincipals", from.request_principals()},
      {Attribute::kRequestPrincipal, "notRequestPrincipals", from.not_request_principals()},
      {Attribute::kNamespace, "namespaces", from.namespaces()},
      {Attribute::kNamespace, "notNamespaces", from.not_namespaces()},
      {Attribute::kServiceAccount, "serviceAccounts", from.service_accounts()},
      {Attribute::kServiceAccount, "notServiceAccounts", from.not_service_accounts()},
      {Attribute::kTrustDomain, "trustDomains", from.trust_domains()},
      {Attribute::kTrustDomain, "notTrustDomains", from.not_trust_domains()},
      {Attribute::kSourceIp, "ipBlocks", from.ip_blocks()},
      {Attribute::kSourceIp, "notIpBlocks", from.not_ip_blocks()},
      {Attribute::kRemoteIp, "remoteIpBlocks", from.remote_ip_blocks()},
      {Attribute::kRemoteIp, "notRemoteIpBlocks", from.not_remote_ip_blocks()},
  };
  KITH_RETURN_IF_ERROR(CheckLists(lists, action, field));
  const int accounts = from.service_accounts_size() + from.not_service_accounts_size();
  const int others = from.principals_size() + from.not_principals_size() + from.namespaces_size() +
                     from.not_namespaces_size();
  if (accounts == 0 || others == 0) return absl::OkStatus();
  return Invalid(absl::StrCat(field, ".serviceAccounts"),
                 "cannot stand beside principals or namespaces; keep one of them");
}

absl::Status CheckOperation(const Operation& to, AuthorizationPolicySpec::Action action,
                            const std::string& field) {
  if (to.ByteSizeLong() == 0) {
    return Invalid(field, "must not be empty; name methods, paths or ports, or remove the \"to\"");
  }
  const List lists[] = {
      {Attribute::kDestinationPort, "ports", to.ports()},
      {Attribute::kDestinationPort, "notPorts", to.not_ports()},
      {Attribute::kMethod, "methods", to.methods()},
      {Attribute::kMethod, "notMethods", to.not_methods()},
      {Attribute::kPath, "paths", to.paths()},
      {Attribute::kPath, "notPaths", to.not_paths()},
      {Attribute::kHost, "hosts", to.hosts()},
      {Attribute::kHost, "notHosts", to.not_hosts()},
  };
  return CheckLists(lists, action, field);
}

absl::Status CheckCondition(const Condition& condition, AuthorizationPolicySpec::Action action,
                            const std::string& field) {
  if (condition.key().empty()) return Invalid(field, "needs a key");
  if (condition.values().empty() && condition.not_values().empty()) {
    return Invalid(field, "needs values or notValues");
  }
  const auto key = ParseConditionKey(condition.key());
  KITH_RETURN_IF_ERROR(base::Annotate(key.status(), absl::StrCat(field, ".key")));
  const List lists[] = {{key->attribute, "values", condition.values()},
                        {key->attribute, "notValues", condition.not_values()}};
  return CheckLists(lists, action, field);
}

}  // namespace

absl::Status ValidateRule(const Rule& rule, AuthorizationPolicySpec::Action action,
                          const std::string& field) {
  if (rule.from_size() > kMaxFrom) {
    return Invalid(field, absl::StrCat("more than ", kMaxFrom, " from; split the rule"));
  }
  for (int i = 0; i < rule.from_size(); ++i) {
    KITH_RETURN_IF_ERROR(
        CheckSource(rule.from(i).source(), action, absl::StrCat(field, ".from[", i, "].source")));
  }
  for (int i = 0; i < rule.to_size(); ++i) {
    KITH_RETURN_IF_ERROR(CheckOperation(rule.to(i).operation(), action,
                                        absl::StrCat(field, ".to[", i, "].operation")));
  }
  for (int i = 0; i < rule.when_size(); ++i) {
    KITH_RETURN_IF_ERROR(
        CheckCondition(rule.when(i), action, absl::StrCat(field, ".when[", i, "]")));
  }
  return absl::OkStatus();
}

int ParsePort(absl::string_view text) {
  if (text.empty() || text.size() > 9) return -1;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return -1;
  }
  int port;
  return absl::SimpleAtoi(text, &port) && port <= 65535 ? port : -1;
}

}  // namespace kith::policy
