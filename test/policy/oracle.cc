#include "test/policy/oracle.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <functional>
#include <optional>

namespace kith::policy {
namespace {

using nlohmann::json;
using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using security::v1::Operation;
using security::v1::Rule;
using security::v1::Source;
using Strings = std::vector<std::string>;
using List = google::protobuf::RepeatedPtrField<std::string>;

Strings Split(const std::string& text, char separator) {
  Strings parts(1);
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
  return text.substr(0, with.size()) == with;
}
bool Ends(const std::string& text, const std::string& with) {
  return text.size() >= with.size() && text.substr(text.size() - with.size()) == with;
}
bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}
std::string Trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
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
bool InTrustDomains(const std::string& part, const Strings& trust_domains) {
  for (const std::string& domain : trust_domains) {
    if (part == domain) return true;
    for (const auto& [pattern, text] : {std::pair(part, domain), std::pair(domain, part)}) {
      if (!Has(pattern, "*")) continue;
      if (pattern.front() == '*' && Ends(text, pattern.substr(1))) return true;
      if (pattern.back() == '*' && Begins(text, pattern.substr(0, pattern.size() - 1))) return true;
    }
  }
  return false;
}

Strings PrincipalAliases(const std::string& pattern, const Strings& trust_domains) {
  const Strings parts = Split(pattern, '/');
  if (parts.size() != 5 || parts[0] == "*") return {pattern};
  if (parts[0] != "cluster.local" && !InTrustDomains(parts[0], trust_domains)) return {pattern};
  Strings result;
  for (const std::string& domain : trust_domains) {
    if (parts[0][0] == '*' && Ends(domain, parts[0].substr(1))) {
      result.push_back(pattern);
      continue;
    }
    result.push_back(domain + "/" + parts[1] + "/" + parts[2] + "/" + parts[3] + "/" + parts[4]);
  }
  return result;
}

// §1.5, serviceAccounts: ".../ns/N/sa/S", with more segments between and behind.
bool AccountMatch(const std::string& name_space, const std::string& account,
                  const std::string& principal) {
  const Strings parts = Split(principal, '/');
  for (size_t n = 1; n + 3 < parts.size(); ++n) {
    if (parts[n] != "ns" || parts[n + 1] != name_space) continue;
    for (size_t s = n + 2; s + 1 < parts.size(); ++s) {
      if (parts[s] == "sa" && parts[s + 1] == account) return true;
    }
  }
  return false;
}

// Family and bits; an IPv4-mapped address is IPv4.
std::pair<int, std::vector<bool>> Bits(const std::string& ip) {
  unsigned char bytes[16];
  std::vector<bool> bits;
  int family = 4, size = 4;
  if (inet_pton(AF_INET, ip.c_str(), bytes) != 1) {
    if (inet_pton(AF_INET6, ip.c_str(), bytes) != 1) std::abort();
    family = 6;
    size = 16;
  }
  for (int i = 0; i < size * 8; ++i) bits.push_back(bytes[i / 8] >> (7 - i % 8) & 1);
  return {family, bits};
}
bool IpMatch(const std::string& block, const std::string& ip) {
  const Strings parts = Split(block, '/');
  auto [family, bits] = Bits(parts[0]);
  size_t length =
      parts.size() == 2 ? static_cast<size_t>(std::atoi(parts[1].c_str())) : bits.size();
  if (family == 6 && Begins(parts[0], "::ffff:") && length >= 96) {
    family = 4;
    length -= 96;
    bits.erase(bits.begin(), bits.begin() + 96);
  }
  const auto [other_family, other] = Bits(ip);
  return family == other_family &&
         std::equal(bits.begin(), bits.begin() + static_cast<long>(length), other.begin());
}

// §1.6: full match, by trying everything.
bool TemplateMatch(const std::string& pattern, const std::string& value, bool any_byte) {
  const auto listed = [&](char c) {
    return any_byte || std::isalnum(static_cast<unsigned char>(c)) ||
           Has("._~%!$&'()+,;:@=*-", std::string(1, c));
  };
  if (pattern.empty()) return value.empty();
  if (Begins(pattern, "{*}")) {
    for (size_t n = 1; n <= value.size() && value[n - 1] != '/' && listed(value[n - 1]); ++n) {
      if (TemplateMatch(pattern.substr(3), value.substr(n), any_byte)) return true;
    }
    return false;
  }
  if (Begins(pattern, "{**}")) {
    for (size_t n = 0;; ++n) {
      if (TemplateMatch(pattern.substr(4), value.substr(n), any_byte)) return true;
      if (n == value.size() || (value[n] != '/' && !listed(value[n]))) return false;
    }
  }
  return !value.empty() && value[0] == pattern[0] &&
         TemplateMatch(pattern.substr(1), value.substr(1), any_byte);
}
bool PathMatch(const std::string& pattern, const std::string& path, bool wide) {
  if (Has(pattern, "{*}") || Has(pattern, "{**}")) return TemplateMatch(pattern, path, wide);
  return StringMatch(pattern, path);
}

// §1.6, [R]: the path with every segment's parameters removed, and as a server sees it that then
// drops what is left of segments that were parameters only.
Strings WithoutParameters(const std::string& path) {
  std::string all, some;
  const Strings segments = Split(path, '/');
  for (size_t i = 0; i < segments.size(); ++i) {
    // Escaped or not: some servers unescape before they cut.
    const size_t escaped = Lower(segments[i]).find("%3b");
    const std::string name = Split(segments[i].substr(0, escaped), ';')[0];
    const std::string slash = i == 0 ? "" : "/";
    all += slash + name;
    const bool cut = name != segments[i];
    const bool hollow = cut && (name == "" || name == ".");
    if (!hollow) some += slash + name;
    if (hollow && i + 1 == segments.size()) some += slash;
  }
  return {all, some};
}

// §1.6, [R]: as sent, without its port, without a trailing dot.
Strings HostSpellings(const std::string& host, bool wide) {
  Strings all = {Lower(host)};
  if (!wide) return all;
  const size_t colon = all[0].rfind(':');
  if (colon != std::string::npos &&
      std::all_of(all[0].begin() + static_cast<long>(colon) + 1, all[0].end(), ::isdigit)) {
    all.push_back(all[0].substr(0, colon));
  }
  for (size_t i = 0, n = all.size(); i < n; ++i) {
    if (Ends(all[i], ".")) all.push_back(all[i].substr(0, all[i].size() - 1));
  }
  return all;
}

// §1.7's table.
bool TokenMatch(const std::string& pattern, const std::string& iss, const std::string& sub) {
  if (pattern == "*") return iss != "" && sub != "";
  const bool star = pattern.front() == '*';
  const std::string body = star ? pattern.substr(1) : pattern;
  const size_t slash = body.rfind('/');
  if (slash == std::string::npos) {
    if (star) return iss != "" && Ends(sub, body);
    if (body.back() == '*') return Begins(iss, body.substr(0, body.size() - 1)) && sub != "";
    return iss == body && sub == "";
  }
  const std::string left = body.substr(0, slash), right = body.substr(slash + 1);
  if (star) return (left == "" ? iss != "" : Ends(iss, left)) && sub == right;
  if (iss != left) return false;
  if (right == "*") return sub != "";
  if (right != "" && right.back() == '*') {
    return Begins(sub, right.substr(0, right.size() - 1));
  }
  return sub == right;
}

// One list of a rule, in the words of a condition: fields and keys are the same thing.
struct Constraint {
  std::string key;
  Strings values, not_values;
};

Strings ToStrings(const List& list) { return {list.begin(), list.end()}; }

std::vector<Constraint> OfSource(const Source& s) {
  return {{"source.principal", ToStrings(s.principals()), ToStrings(s.not_principals())},
          {"request.auth.principal", ToStrings(s.request_principals()),
           ToStrings(s.not_request_principals())},
          {"source.namespace", ToStrings(s.namespaces()), ToStrings(s.not_namespaces())},
          {"source.serviceAccount", ToStrings(s.service_accounts()),
           ToStrings(s.not_service_accounts())},
          {"source.trustDomain", ToStrings(s.trust_domains()), ToStrings(s.not_trust_domains())},
          {"source.ip", ToStrings(s.ip_blocks()), ToStrings(s.not_ip_blocks())},
          {"remote.ip", ToStrings(s.remote_ip_blocks()), ToStrings(s.not_remote_ip_blocks())}};
}
std::vector<Constraint> OfOperation(const Operation& o) {
  return {{"host", ToStrings(o.hosts()), ToStrings(o.not_hosts())},
          {"method", ToStrings(o.methods()), ToStrings(o.not_methods())},
          {"path", ToStrings(o.paths()), ToStrings(o.not_paths())},
          {"destination.port", ToStrings(o.ports()), ToStrings(o.not_ports())}};
}
std::vector<Constraint> OfWhen(const Rule& rule) {
  std::vector<Constraint> all;
  for (const auto& when : rule.when()) {
    all.push_back({when.key(), ToStrings(when.values()), ToStrings(when.not_values())});
  }
  return all;
}
bool IsUsed(const Constraint& c) { return !c.values.empty() || !c.not_values.empty(); }
bool IsHttpOnly(const Constraint& c) {
  return c.key == "host" || c.key == "method" || c.key == "path" || Begins(c.key, "request.");
}

class Evaluation {
 public:
  Evaluation(const OracleMesh& mesh, const OracleRequest& request,
             const AuthorizationPolicy& policy)
      : mesh_(mesh),
        request_(request),
        name_space_(policy.metadata().namespace_()),
        deny_(policy.spec().action() != AuthorizationPolicySpec::ALLOW) {}

  // §1.3 and §1.8.
  bool RuleMatches(const Rule& rule) const {
    std::vector<std::vector<Constraint>> from, to;
    for (const auto& each : rule.from()) from.push_back(OfSource(each.source()));
    for (const auto& each : rule.to()) to.push_back(OfOperation(each.operation()));
    const std::vector<Constraint> when = OfWhen(rule);
    if (!request_.http && !deny_) {
      for (const auto* part : {&from, &to}) {
        for (const auto& clause : *part) {
          if (AsksForHttp(clause)) return false;
        }
      }
      if (AsksForHttp(when)) return false;
    }
    const auto any = [&](const auto& clauses) {
      return clauses.empty() || std::any_of(clauses.begin(), clauses.end(),
                                            [&](const auto& clause) { return AllHold(clause); });
    };
    return any(from) && any(to) && AllHold(when);
  }

 private:
  static bool AsksForHttp(const std::vector<Constraint>& clause) {
    return std::any_of(clause.begin(), clause.end(),
                       [](const Constraint& c) { return IsUsed(c) && IsHttpOnly(c); });
  }
  bool AllHold(const std::vector<Constraint>& clause) const {
    return std::all_of(clause.begin(), clause.end(), [&](const Constraint& c) {
      if (!request_.http && IsHttpOnly(c)) return true;  // Vanished.
      return (c.values.empty() || Matches(c.key, c.values, deny_)) &&
             (c.not_values.empty() || !Matches(c.key, c.not_values, !deny_));
    });
  }

  // Whether the attribute has one of the values; `wide`: in any spelling that servers may take.
  bool Matches(const std::string& key, const Strings& values, bool wide) const {
    if (Begins(key, "request.headers[")) return HeaderMatches(key, values, wide);
    return std::any_of(values.begin(), values.end(),
                       [&](const std::string& value) { return Match(key, value, wide); });
  }

  bool Match(const std::string& key, const std::string& value, bool wide) const {
    const OracleRequest& r = request_;
    if (key == "source.ip") return !r.source_ip.empty() && IpMatch(value, r.source_ip);
    if (key == "destination.ip") {
      return !r.destination_ip.empty() && IpMatch(value, r.destination_ip);
    }
    if (key == "remote.ip") {
      const std::string& ip = r.remote_ip.empty() ? r.source_ip : r.remote_ip;
      return !ip.empty() && IpMatch(value, ip);
    }
    if (key == "destination.port") return std::atoi(value.c_str()) == r.port;
    if (key == "connection.sni") return r.sni != "" && StringMatch(value, r.sni);
    if (key == "method") return StringMatch(value, r.method);
    if (key == "host") {
      if (r.host.empty()) return false;
      const Strings spellings = HostSpellings(r.host, wide);
      return std::any_of(spellings.begin(), spellings.end(),
                         [&](const auto& host) { return StringMatch(Lower(value), host); });
    }
    if (key == "path") return MatchPath(value, wide);
    if (Begins(key, "source.certificate.")) {
      const auto found = r.certificate.find(key);
      return found != r.certificate.end() &&
             std::any_of(found->second.begin(), found->second.end(),
                         [&](const auto& text) { return StringMatch(value, text); });
    }
    if (Begins(key, "request.auth.")) return MatchClaim(key, value);
    return MatchIdentity(key, value);
  }

  bool MatchIdentity(const std::string& key, const std::string& value) const {
    if (request_.spiffe_id.empty()) return false;
    const std::string principal = request_.spiffe_id.substr(std::string("spiffe://").size());
    const Strings parts = Split(principal, '/');
    const auto equals = [&](const Strings& patterns, const std::string& text) {
      return std::any_of(patterns.begin(), patterns.end(),
                         [&](const auto& pattern) { return StringMatch(pattern, text); });
    };
    if (key == "source.principal") {
      return equals(PrincipalAliases(value, mesh_.trust_domains), principal);
    }
    if (key == "source.trustDomain") {
      const Strings& mine = mesh_.trust_domains;
      const bool ours = std::count(mine.begin(), mine.end(), value) > 0;
      return equals(ours ? mine : Strings{value}, parts[0]);
    }
    if (key == "source.namespace") {
      for (size_t i = 1; i + 2 < parts.size(); ++i) {
        if (parts[i] == "ns" && GlobMatch(value, parts[i + 1])) return true;
      }
      return false;
    }
    if (key != "source.serviceAccount") std::abort();
    const Strings account = Split(value, '/');
    return account.size() == 2 ? AccountMatch(account[0], account[1], principal)
                               : AccountMatch(name_space_, account[0], principal);
  }

  bool MatchPath(const std::string& value, bool wide) const {
    if (!request_.has_path || request_.path.empty()) return false;
    if (PathMatch(value, request_.path, wide)) return true;
    if (!wide) return false;
    const Strings variants = WithoutParameters(request_.path);
    return std::any_of(variants.begin(), variants.end(),
                       [&](const auto& path) { return PathMatch(value, path, wide); });
  }

  bool MatchClaim(const std::string& key, const std::string& value) const {
    if (!request_.has_claims) return false;
    const json& claims = request_.claims;
    const auto text = [&](const char* name) {
      return claims.contains(name) && claims[name].is_string()
                 ? std::optional(claims[name].get<std::string>())
                 : std::nullopt;
    };
    if (key == "request.auth.principal") {
      return text("iss") && text("sub") && TokenMatch(value, *text("iss"), *text("sub"));
    }
    Strings path;
    if (key == "request.auth.audiences") path = {"aud"};
    if (key == "request.auth.presenter") path = {"azp"};
    if (Begins(key, "request.auth.claims[")) {
      for (const std::string& part : Split(key.substr(19), '[')) {
        if (!part.empty()) path.push_back(part.substr(0, part.size() - 1));
      }
    }
    const json* claim = &claims;
    for (const std::string& name : path) {
      if (!claim->is_object() || !claim->contains(name)) return false;
      claim = &(*claim)[name];
    }
    Strings texts;
    if (claim->is_string()) texts.push_back(claim->get<std::string>());
    if (path.size() == 1 && claim->is_string() &&
        (path[0] == "scope" || path[0] == "permission" ||
         request_.space_delimited.count(path[0]))) {
      texts = Split(claim->get<std::string>(), ' ');
    }
    if (claim->is_array()) {
      for (const json& item : *claim) {
        if (item.is_string()) texts.push_back(item.get<std::string>());
      }
    }
    return std::any_of(texts.begin(), texts.end(),
                       [&](const auto& each) { return each != "" && StringMatch(value, each); });
  }

  // §1.6, [R].
  bool HeaderMatches(const std::string& key, const Strings& values, bool wide) const {
    const std::string name = Lower(key.substr(16, key.size() - 17));
    Strings lines;
    for (const auto& [header, value] : request_.headers) {
      if (Lower(header) == name) lines.push_back(value);
    }
    if (name == ":method") lines = {request_.method};
    if ((name == ":authority" || name == "host") && request_.host != "") lines = {request_.host};
    const auto fits = [&](const std::string& text) {
      return std::any_of(values.begin(), values.end(),
                         [&](const auto& value) { return StringMatch(value, text); });
    };
    const bool exists = std::count(values.begin(), values.end(), "*") > 0;
    const auto line_fits = [&](const std::string& line) { return exists || fits(line); };
    if (lines.empty()) return false;
    if (!wide) return std::all_of(lines.begin(), lines.end(), line_fits);
    if (std::any_of(lines.begin(), lines.end(), line_fits)) return true;
    Strings texts(2);
    for (const std::string& line : lines) {
      for (const std::string& token : Split(line, ',')) {
        if (!Trim(token).empty()) texts.push_back(Trim(token));
      }
      const bool first = &line == &lines[0];
      texts[0] += (first ? "" : ",") + line;
      texts[1] += (first ? "" : ", ") + line;
    }
    return std::any_of(texts.begin(), texts.end(), fits);
  }

  const OracleMesh& mesh_;
  const OracleRequest& request_;
  const std::string name_space_;
  const bool deny_;
};

bool DryRun(const AuthorizationPolicy& policy) {
  const auto found = policy.metadata().annotations().find("istio.io/dry-run");
  return found != policy.metadata().annotations().end() && found->second == "true" &&
         (policy.spec().action() == AuthorizationPolicySpec::ALLOW ||
          policy.spec().action() == AuthorizationPolicySpec::DENY);
}

}  // namespace

// §1.2 and §1.11.
OracleAnswer Ask(const std::vector<AuthorizationPolicy>& policies, const OracleMesh& mesh,
                 const OracleRequest& request) {
  using Spec = AuthorizationPolicySpec;
  std::map<std::pair<Spec::Action, bool>, std::set<OracleRule>> matched;
  std::set<bool> armed;
  for (const AuthorizationPolicy& policy : policies) {
    if (policy.spec().target_refs_size() > 0) continue;
    const bool dry = DryRun(policy);
    if (policy.spec().action() == Spec::ALLOW) armed.insert(dry);
    const Evaluation evaluation(mesh, request, policy);
    for (int i = 0; i < policy.spec().rules_size(); ++i) {
      if (!evaluation.RuleMatches(policy.spec().rules(i))) continue;
      matched[{policy.spec().action(), dry}].emplace(
          policy.metadata().namespace_() + "/" + policy.metadata().name(), i);
    }
  }
  const auto allowed = [&](bool dry) {
    if (!matched[{Spec::DENY, dry}].empty()) return false;
    return !matched[{Spec::ALLOW, dry}].empty() || armed.count(dry) == 0;
  };
  OracleAnswer answer;
  answer.allowed = allowed(false);
  const bool denied_by_rule = !matched[{Spec::DENY, false}].empty();
  answer.deciding = matched[{denied_by_rule ? Spec::DENY : Spec::ALLOW, false}];
  answer.audit = !matched[{Spec::AUDIT, false}].empty();
  answer.custom = matched[{Spec::CUSTOM, false}];
  answer.dry_allowed = allowed(true);
  return answer;
}

}  // namespace kith::policy
