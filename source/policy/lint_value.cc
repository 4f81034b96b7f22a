#include "source/policy/lint_value.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/policy/pattern.h"

namespace kith::policy {
namespace {

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

// Whether a "*" stands where it is an ordinary character.
bool HasPlainStar(absl::string_view value) {
  if (value == "*") return false;
  if (!absl::ConsumePrefix(&value, "*")) absl::ConsumeSuffix(&value, "*");
  return absl::StrContains(value, '*');
}

ValueProblem CheckTrustDomain(absl::string_view pattern,
                              absl::Span<const std::string> trust_domains) {
  const auto matches = [&](const std::string& domain) {
    return Pattern::Text(pattern).Matches(domain);
  };
  if (std::any_of(trust_domains.begin(), trust_domains.end(), matches)) return {};
  return {"unknown-trust-domain",
          absl::StrCat("nobody has the trust domain ", Quoted(pattern), ": the mesh has ",
                       trust_domains[0], trust_domains.size() > 1 ? " and others" : ""),
          "correct it, or name the trust domains that the mesh is federated with"};
}

ValueProblem CheckPrincipal(absl::string_view value, absl::Span<const std::string> trust_domains) {
  if (absl::StartsWith(value, "*")) return {};
  const size_t slash = value.find('/');
  const bool prefix = absl::EndsWith(value, "*");
  if (slash == absl::string_view::npos) {
    if (prefix) return {};
    return {"principal-form", absl::StrCat(Quoted(value), " is no principal and matches nobody"),
            "write \"<trust domain>/ns/<namespace>/sa/<service account>\""};
  }
  const absl::string_view domain = value.substr(0, slash);
  // It stands for the mesh's own.
  if (domain != "cluster.local") {
    ValueProblem problem = CheckTrustDomain(domain, trust_domains);
    if (!problem.code.empty()) return problem;
  }
  const absl::string_view path = value.substr(slash);
  const bool usual = absl::StartsWith(path, "/ns/") && absl::StrContains(path, "/sa/");
  if (usual || prefix) return {};
  return {"principal-form",
          absl::StrCat(Quoted(value), " has another form than workloads' identities"),
          "write \"<trust domain>/ns/<namespace>/sa/<service account>\""};
}

ValueProblem CheckRequestPrincipal(absl::string_view value) {
  if (value == "*") return {};
  if (!absl::StrContains(value, '/') && !absl::StartsWith(value, "*") &&
      !absl::EndsWith(value, "*")) {
    return {"request-principal", absl::StrCat(Quoted(value), " matches only an empty subject"),
            "write \"<issuer>/<subject>\", or \"<issuer>/*\""};
  }
  if (value == "*/*") {
    return {"request-principal", "\"*/*\" never matches", "write \"*\" for any token"};
  }
  const size_t slash = value.rfind('/');
  if (slash != absl::string_view::npos && slash > 0 && value[slash - 1] == '/') {
    return {"request-principal",
            absl::StrCat(Quoted(value),
                         " is split at its last \"/\", inside \"//\", and never matches"),
            "write \"<issuer>/*\""};
  }
  if (absl::StartsWith(value, "*") && absl::EndsWith(value, "*")) {
    return {"request-principal",
            absl::StrCat("after a leading \"*\" the last \"*\" of ", Quoted(value),
                         " is an ordinary character"),
            "keep one \"*\""};
  }
  return {};
}

// Only what no normalized path contains, whatever the mode but NONE.
bool IsUnnormalized(absl::string_view path) {
  const std::string lower = absl::AsciiStrToLower(path);
  return absl::StrContains(path, "/./") || absl::StrContains(path, "/../") ||
         absl::EndsWith(path, "/..") || absl::EndsWith(path, "/.") ||
         absl::StrContains(path, "//") || absl::StrContains(lower, "%2e") ||
         absl::StrContains(lower, "%2f") || absl::StrContains(lower, "%5c") ||
         absl::StrContains(path, '\\');
}

ValueProblem CheckPath(absl::string_view value) {
  if (value.find_first_of("?#") != absl::string_view::npos) {
    return {"path-never-matches",
            absl::StrCat("a path ends before \"?\" and \"#\", so ", Quoted(value), " matches none"),
            "remove the query"};
  }
  if (!absl::StartsWith(value, "/") && !absl::StartsWith(value, "*")) {
    return {"path-never-matches",
            absl::StrCat("every path begins with \"/\", so ", Quoted(value), " matches none"),
            absl::StrCat("write ", Quoted(absl::StrCat("/", value)))};
  }
  if (IsUnnormalized(value)) {
    return {"path-never-matches",
            absl::StrCat("paths are normalized before they are matched, so ", Quoted(value),
                         " matches none in the default mode"),
            "write it without \"//\", dot segments and escaped separators"};
  }
  if (!Pattern::IsTemplate(value) && HasPlainStar(value)) {
    return {"star-is-literal",
            absl::StrCat("a \"*\" inside ", Quoted(value), " is an ordinary character"),
            "write {*} for one segment, {**} for any number"};
  }
  return {};
}

ValueProblem CheckMethod(absl::string_view value) {
  const std::string upper = absl::AsciiStrToUpper(value);
  if (upper == value) return {};
  return {"method-case",
          absl::StrCat("methods are upper case, so ", Quoted(value), " matches none"),
          absl::StrCat("write ", Quoted(upper))};
}

}  // namespace

ValueProblem CheckMeaning(Attribute attribute, absl::string_view value,
                          absl::Span<const std::string> trust_domains) {
  switch (attribute) {
    case Attribute::kPrincipal:
      return CheckPrincipal(value, trust_domains);
    case Attribute::kTrustDomain:
      return CheckTrustDomain(value, trust_domains);
    case Attribute::kRequestPrincipal:
      return CheckRequestPrincipal(value);
    case Attribute::kPath:
      return CheckPath(value);
    case Attribute::kMethod:
      return CheckMethod(value);
    case Attribute::kRemoteIp:
      return {"remote-ip",
              "names the client that trusted hops tell of; sidecars trust no hops, so this is the "
              "TCP peer",
              "write ipBlocks (source.ip), or principals"};
    default:
      return {};
  }
}

}  // namespace kith::policy
