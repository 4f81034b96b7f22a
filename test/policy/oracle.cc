#include "test/policy/oracle.h"

#include <cstdlib>
#include <optional>

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using security::v1::Operation;
using security::v1::Rule;
using security::v1::Source;
using Attribute = std::optional<std::string>;  // Nothing: the attribute is missing.
using List = google::protobuf::RepeatedPtrField<std::string>;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool Begins(const std::string& text, const std::string& with) {
  return text.compare(0, with.size(), with) == 0;
}
bool Ends(const std::string& text, const std::string& with) {
  return text.size() >= with.size() && text.substr(text.size() - with.size()) == with;
}

// §1.4.
bool StringMatch(const std::string& pattern, const std::string& value) {
  if (pattern == "*") return value != "";
  if (pattern.front() == '*') return Ends(value, pattern.substr(1));
  if (pattern.back() == '*') return Begins(value, pattern.substr(0, pattern.size() - 1));
  return pattern == value;
}

// §1.5, namespaces: every * is a glob.
bool GlobMatch(const std::string& pattern, const std::string& value) {
  if (pattern.empty()) return value.empty();
  if (pattern[0] != '*') {
    return !value.empty() && value[0] == pattern[0] &&
           GlobMatch(pattern.substr(1), value.substr(1));
  }
  for (size_t taken = 0; taken <= value.size(); ++taken) {
    if (GlobMatch(pattern.substr(1), value.substr(taken))) return true;
  }
  return false;
}

// §1.5, aliases: whether a pattern's trust domain is one of the mesh's, wildcards in either.
bool InTrustDomains(const std::string& part, const std::vector<std::string>& trust_domains) {
  for (const std::string& domain : trust_domains) {
    if (part == domain) return true;
    for (const auto& [pattern, text] : {std::pair(part, domain), std::pair(domain, part)}) {
      if (pattern.find('*') == std::string::npos) continue;
      if (pattern.front() == '*' && Ends(text, pattern.substr(1))) return true;
      if (pattern.back() == '*' && Begins(text, pattern.substr(0, pattern.size() - 1))) return true;
    }
  }
  return false;
}

std::set<std::string> Aliases(const std::string& pattern,
                              const std::vector<std::string>& trust_domains) {
  std::vector<std::string> parts = Split(pattern, '/');
  if (parts.size() != 5 || parts[0] == "*") return {pattern};
  if (parts[0] != "cluster.local" && !InTrustDomains(parts[0], trust_domains)) return {pattern};
  std::set<std::string> result;
  for (const std::string& domain : trust_domains) {
    if (parts[0][0] == '*' && Ends(domain, parts[0].substr(1))) {
      result.insert(pattern);
      continue;
    }
    result.insert(domain + "/" + parts[1] + "/" + parts[2] + "/" + parts[3] + "/" + parts[4]);
  }
  return result;
}

// §1.6, [R]: the path with every segment's parameters removed, and as a server sees it that then
// drops what is left of segments that were parameters only.
std::vector<std::string> WithoutParameters(const std::string& path) {
  std::string all, some;
  const std::vector<std::string> segments = Split(path, '/');
  for (size_t i = 0; i < segments.size(); ++i) {
    const std::string name = Split(segments[i], ';')[0];
    const std::string slash = i == 0 ? "" : "/";
    all += slash + name;
    const bool cut = name != segments[i];
    const bool hollow = cut && (name == "" || name == ".");
    if (!hollow) some += slash + name;
    if (hollow && i + 1 == segments.size()) some += slash;
  }
  return {all, some};
}

class Evaluation {
 public:
  Evaluation(const std::vector<std::string>& trust_domains, const OracleRequest& request, bool deny)
      : trust_domains_(trust_domains), request_(request), deny_(deny) {
    if (!request.spiffe_id.empty()) {
      principal_ = request.spiffe_id.substr(std::string("spiffe://").size());
      const std::vector<std::string> parts = Split(*principal_, '/');
      if (parts.size() >= 4 && parts[1] == "ns") namespace_ = parts[2];
    }
    if (request.http) method_ = request.method;
    if (request.http && request.has_path) path_ = request.path;
  }

  // §1.3 and §1.8.
  bool RuleMatches(const Rule& rule) const {
    if (!request_.http && !deny_) {
      for (const Rule::To& to : rule.to()) {
        if (IsHttpOnly(to.operation())) return false;
      }
    }
    bool from = rule.from().empty();
    for (const Rule::From& each : rule.from()) from = from || SourceMatches(each.source());
    bool to = rule.to().empty();
    for (const Rule::To& each : rule.to()) to = to || OperationMatches(each.operation());
    return from && to;
  }

 private:
  static bool IsHttpOnly(const Operation& to) {
    return to.methods_size() || to.not_methods_size() || to.paths_size() || to.not_paths_size();
  }

  bool PrincipalIn(const List& list) const {
    if (!principal_) return false;
    for (const std::string& pattern : list) {
      for (const std::string& alias : Aliases(pattern, trust_domains_)) {
        if (StringMatch(alias, *principal_)) return true;
      }
    }
    return false;
  }
  bool NamespaceIn(const List& list) const {
    if (!namespace_) return false;
    for (const std::string& pattern : list) {
      if (GlobMatch(pattern, *namespace_)) return true;
    }
    return false;
  }
  bool PortIn(const List& list) const {
    for (const std::string& port : list) {
      if (std::atoi(port.c_str()) == request_.port) return true;
    }
    return false;
  }
  static bool In(const List& list, const Attribute& value) {
    if (!value) return false;
    for (const std::string& pattern : list) {
      if (StringMatch(pattern, *value)) return true;
    }
    return false;
  }
  bool PathIn(const List& list, bool also_without_parameters) const {
    if (In(list, path_)) return true;
    if (!path_ || !also_without_parameters) return false;
    for (const std::string& variant : WithoutParameters(*path_)) {
      if (In(list, variant)) return true;
    }
    return false;
  }

  bool SourceMatches(const Source& source) const {
    if (source.principals_size() && !PrincipalIn(source.principals())) return false;
    if (source.not_principals_size() && PrincipalIn(source.not_principals())) return false;
    if (source.namespaces_size() && !NamespaceIn(source.namespaces())) return false;
    if (source.not_namespaces_size() && NamespaceIn(source.not_namespaces())) return false;
    return true;
  }
  bool OperationMatches(const Operation& to) const {
    if (to.ports_size() && !PortIn(to.ports())) return false;
    if (to.not_ports_size() && PortIn(to.not_ports())) return false;
    if (!request_.http) return true;
    if (to.methods_size() && !In(to.methods(), method_)) return false;
    if (to.not_methods_size() && In(to.not_methods(), method_)) return false;
    if (to.paths_size() && !PathIn(to.paths(), deny_)) return false;
    if (to.not_paths_size() && PathIn(to.not_paths(), !deny_)) return false;
    return true;
  }

  const std::vector<std::string>& trust_domains_;
  const OracleRequest& request_;
  const bool deny_;
  Attribute principal_, namespace_, method_, path_;
};

}  // namespace

// §1.2.
OracleAnswer Ask(const std::vector<AuthorizationPolicy>& policies,
                 const std::vector<std::string>& trust_domains, const OracleRequest& request) {
  OracleAnswer denied{false, {}}, allowed{true, {}};
  bool any_allow_policy = false;
  for (const AuthorizationPolicy& policy : policies) {
    if (policy.spec().target_refs_size() > 0) continue;
    const bool deny = policy.spec().action() == AuthorizationPolicySpec::DENY;
    if (!deny) any_allow_policy = true;
    const Evaluation evaluation(trust_domains, request, deny);
    for (int i = 0; i < policy.spec().rules_size(); ++i) {
      if (!evaluation.RuleMatches(policy.spec().rules(i))) continue;
      const std::string name = policy.metadata().namespace_() + "/" + policy.metadata().name();
      (deny ? denied : allowed).deciding.emplace(name, i);
    }
  }
  if (!denied.deciding.empty()) return denied;
  if (!allowed.deciding.empty() || !any_allow_policy) return allowed;
  return denied;
}

}  // namespace kith::policy
