#include "source/policy/validate_rule.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/status.h"

namespace kith::policy {
namespace {

using security::v1::Operation;
using security::v1::Rule;
using security::v1::Source;
using Values = google::protobuf::RepeatedPtrField<std::string>;

constexpr int kMaxFrom = 512;

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

// Checks the parts of one policy; errors begin with the field.
class Checker {
 public:
  explicit Checker(Audience audience) : audience_(audience) {}

  absl::Status CheckRule(const Rule& rule, const std::string& field) const;

 private:
  absl::Status CheckSource(const Source& source, const std::string& field) const;
  absl::Status CheckOperation(const Operation& operation, const std::string& field) const;
  absl::Status CheckPath(absl::string_view value) const;

  template <typename Check>
  absl::Status CheckValues(const Values& values, absl::string_view field, absl::string_view name,
                           const Check& check) const {
    for (int i = 0; i < values.size(); ++i) {
      const std::string at = absl::StrCat(field, ".", name, "[", i, "]");
      if (values[i].empty())
        return Invalid(at, "is empty; \"*\" matches any value that is present");
      if (absl::Status status = check(values[i]); !status.ok()) return base::Annotate(status, at);
    }
    return absl::OkStatus();
  }

  absl::Status Unsupported(absl::string_view field, absl::string_view instead) const {
    if (for_gateways()) return absl::OkStatus();
    return absl::UnimplementedError(
        absl::StrCat(field, ": not supported yet; remove it or ", instead));
  }
  absl::Status RefuseUse(const Values& values, absl::string_view field, absl::string_view name,
                         absl::string_view instead) const {
    KITH_RETURN_IF_ERROR(CheckValues(values, field, name, CheckAny));
    return values.empty() ? absl::OkStatus() : Unsupported(absl::StrCat(field, ".", name), instead);
  }

  bool for_gateways() const { return audience_ == Audience::kGateways; }

  const Audience audience_;
};

absl::Status Checker::CheckSource(const Source& source, const std::string& field) const {
  if (source.ByteSizeLong() == 0) {
    return Invalid(field,
                   "must not be empty; name principals or namespaces, or remove the \"from\"");
  }
  KITH_RETURN_IF_ERROR(CheckValues(source.principals(), field, "principals", CheckPrincipal));
  KITH_RETURN_IF_ERROR(
      CheckValues(source.not_principals(), field, "notPrincipals", CheckPrincipal));
  KITH_RETURN_IF_ERROR(CheckValues(source.namespaces(), field, "namespaces", CheckNamespace));
  KITH_RETURN_IF_ERROR(
      CheckValues(source.not_namespaces(), field, "notNamespaces", CheckNamespace));
  struct {
    const Values& values;
    absl::string_view name;
  } const unsupported[] = {
      {source.request_principals(), "requestPrincipals"},
      {source.not_request_principals(), "notRequestPrincipals"},
      {source.ip_blocks(), "ipBlocks"},
      {source.not_ip_blocks(), "notIpBlocks"},
      {source.remote_ip_blocks(), "remoteIpBlocks"},
      {source.not_remote_ip_blocks(), "notRemoteIpBlocks"},
      {source.service_accounts(), "serviceAccounts"},
      {source.not_service_accounts(), "notServiceAccounts"},
      {source.trust_domains(), "trustDomains"},
      {source.not_trust_domains(), "notTrustDomains"},
  };
  for (const auto& [values, name] : unsupported) {
    KITH_RETURN_IF_ERROR(RefuseUse(values, field, name, "name principals or namespaces instead"));
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckPath(absl::string_view value) const {
  // What is left of a path without its template operators may hold no brace.
  const std::string literal = absl::StrReplaceAll(value, {{"{**}", ""}, {"{*}", ""}});
  if (literal.find_first_of("{}") != std::string::npos) {
    return absl::InvalidArgumentError("\"{\" and \"}\" mean something only as {*} or {**}");
  }
  if (literal.size() == value.size() || for_gateways()) return absl::OkStatus();
  return absl::UnimplementedError(
      "path templates ({*}, {**}) are not supported yet; name paths, with a \"*\" at one end");
}

absl::Status Checker::CheckOperation(const Operation& operation, const std::string& field) const {
  if (operation.ByteSizeLong() == 0) {
    return Invalid(field, "must not be empty; name methods, paths or ports, or remove the \"to\"");
  }
  const auto check_path = [this](absl::string_view value) { return CheckPath(value); };
  KITH_RETURN_IF_ERROR(CheckValues(operation.ports(), field, "ports", CheckPort));
  KITH_RETURN_IF_ERROR(CheckValues(operation.not_ports(), field, "notPorts", CheckPort));
  KITH_RETURN_IF_ERROR(CheckValues(operation.methods(), field, "methods", CheckAny));
  KITH_RETURN_IF_ERROR(CheckValues(operation.not_methods(), field, "notMethods", CheckAny));
  KITH_RETURN_IF_ERROR(CheckValues(operation.paths(), field, "paths", check_path));
  KITH_RETURN_IF_ERROR(CheckValues(operation.not_paths(), field, "notPaths", check_path));
  constexpr absl::string_view kInstead = "name methods, paths or ports instead";
  KITH_RETURN_IF_ERROR(RefuseUse(operation.hosts(), field, "hosts", kInstead));
  return RefuseUse(operation.not_hosts(), field, "notHosts", kInstead);
}

absl::Status Checker::CheckRule(const Rule& rule, const std::string& field) const {
  if (rule.from_size() > kMaxFrom) {
    return Invalid(field, absl::StrCat("more than ", kMaxFrom, " from; split the rule"));
  }
  for (int i = 0; i < rule.from_size(); ++i) {
    const std::string at = absl::StrCat(field, ".from[", i, "]");
    KITH_RETURN_IF_ERROR(CheckSource(rule.from(i).source(), absl::StrCat(at, ".source")));
  }
  for (int i = 0; i < rule.to_size(); ++i) {
    const std::string at = absl::StrCat(field, ".to[", i, "]");
    KITH_RETURN_IF_ERROR(CheckOperation(rule.to(i).operation(), absl::StrCat(at, ".operation")));
  }
  for (int i = 0; i < rule.when_size(); ++i) {
    const std::string at = absl::StrCat(field, ".when[", i, "]");
    if (rule.when(i).key().empty()) return Invalid(at, "needs a key");
    if (rule.when(i).values().empty() && rule.when(i).not_values().empty()) {
      return Invalid(at, "needs values or notValues");
    }
    KITH_RETURN_IF_ERROR(CheckValues(rule.when(i).values(), at, "values", CheckAny));
    KITH_RETURN_IF_ERROR(CheckValues(rule.when(i).not_values(), at, "notValues", CheckAny));
  }
  if (rule.when_size() == 0) return absl::OkStatus();
  return Unsupported(absl::StrCat(field, ".when"), "say it with from and to");
}

}  // namespace

absl::Status ValidateRule(const Rule& rule, const std::string& field, Audience audience) {
  return Checker(audience).CheckRule(rule, field);
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
