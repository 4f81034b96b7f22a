#include "test/policy/generator.h"

#include <map>
#include <utility>

#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"
#include "source/policy/claims.h"

namespace kith::policy {

using nlohmann::json;
using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using security::v1::Operation;
using security::v1::Source;

std::vector<AuthorizationPolicy> Generator::Policies() {
  std::vector<AuthorizationPolicy> policies(Below(5));
  for (size_t i = 0; i < policies.size(); ++i) {
    policies[i].mutable_metadata()->set_namespace_(Pick({"a", "b"}));
    policies[i].mutable_metadata()->set_name("p" + std::to_string(i));
    AuthorizationPolicySpec& spec = *policies[i].mutable_spec();
    if (Below(2)) spec.set_action(AuthorizationPolicySpec::DENY);
    if (!Below(10)) spec.set_action(AuthorizationPolicySpec::AUDIT);
    if (!Below(10)) {
      spec.set_action(AuthorizationPolicySpec::CUSTOM);
      spec.mutable_provider()->set_name("opa");
    }
    if (!Below(10)) {
      (*policies[i].mutable_metadata()->mutable_annotations())["istio.io/dry-run"] =
          Pick({"true", "false"});
    }
    const bool needed = spec.action() == AuthorizationPolicySpec::DENY ||
                        spec.action() == AuthorizationPolicySpec::CUSTOM;
    // Now and then enough for the index to branch.
    size_t rules = Below(3) + needed;
    if (!Below(10)) rules += 20;
    for (size_t rule = 0; rule < rules; ++rule) {
      FillRule(*spec.add_rules(), spec.action() == AuthorizationPolicySpec::CUSTOM);
    }
    if (!Below(20)) {
      spec.add_target_refs()->set_kind("Service");
      spec.mutable_target_refs(0)->set_name("gateway");
    }
  }
  return policies;
}

PolicySet::Options Generator::Options() {
  PolicySet::Options options;
  options.trust_domain = TrustDomain();
  for (size_t i = Below(3); i > 0; --i) {
    options.trust_domain_aliases.push_back(Pick({TrustDomain(), "*local", "old*", "x.*"}));
  }
  return options;
}

OracleRequest Generator::Request() {
  OracleRequest request;
  request.http = Below(4) > 0;
  if (Below(6)) {
    request.spiffe_id = "spiffe://" + TrustDomain();
    const std::string account = "/sa/" + Word();
    request.spiffe_id += Below(8) ? "/ns/" + Word() + account
                                  : Pick({"", "/workload", "/ns/a", "/a/ns/a/sa/a", "/ns/a/b",
                                          "/ns/b/sa/a/more", "/ns/a/x/sa/b", "/ns/a/ns/b/sa/a"});
    for (const char* key : {"subject.ou", "serial", "extension[1.2.3]"}) {
      for (size_t i = Below(3); i > 0; --i) {
        request.certificate["source.certificate." + std::string(key)].push_back(
            std::string(key) == "serial" ? "a10" : Word());
        if (std::string(key) != "subject.ou") break;
      }
    }
  }
  if (Below(8)) request.source_ip = Ip();
  if (!Below(3)) request.remote_ip = Ip();
  if (Below(8)) request.destination_ip = Ip();
  request.port = std::stoi(Port());
  if (!Below(3)) request.sni = Word();
  if (!request.http) return request;
  request.method = Pick({"GET", "POST", "PUT", "get"});
  request.has_path = Below(10) > 0;
  if (request.has_path) request.path = Path();
  if (Below(8)) request.host = Host();
  for (size_t i = Below(4); i > 0; --i) {
    request.headers.emplace_back(
        Pick({"x-a", "X-A", "x-b"}),
        Pick({Word(), Word(), "", Word() + "," + Word(), Word() + ", " + Word(), "a\xff"}));
  }
  request.has_claims = Below(2);
  if (request.has_claims) request.claims = Claims();
  if (Below(2)) request.space_delimited.insert("groups");
  return request;
}

json Generator::Claims() {
  json claims = json::object();
  if (Below(8)) claims["iss"] = Issuer();
  if (Below(8)) claims["sub"] = Pick({"s", "st", "", "x/s"});
  if (Below(2)) claims["aud"] = Below(2) ? json(Word()) : json({Word(), 7, Word()});
  if (!Below(3)) claims["azp"] = Word();
  if (Below(2)) claims["scope"] = Pick({Word(), Word() + " " + Word()});
  if (Below(2)) claims["groups"] = Below(2) ? json(Word() + " " + Word()) : json({Word(), Word()});
  if (Below(2)) claims["n"]["m"] = Below(3) ? json(Word()) : Below(2) ? json(5) : json({Word()});
  if (!Below(4)) claims["a.b"] = Word();
  return claims;
}

std::string Generator::Ip() {
  return Pick({"10.0.0.1", "10.0.0.2", "10.1.0.1", "::1", "2001:db8::1", "2001:db8::2"});
}
std::string Generator::IpBlock() {
  return Pick({Ip(), Ip(), "10.0.0.0/8", "10.0.0.0/31", "0.0.0.0/0", "::/0", "2001:db8::/32",
               "2001:db8::1/127", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104"});
}

std::string Generator::WithStars(std::string text) {
  switch (Below(8)) {
    case 0:
      return "*";
    case 1:
      return "*" + text.substr(Below(text.size() + 1));
    case 2:
      return text.substr(0, Below(text.size() + 1)) + "*";
    case 3:
      return "*" + text + "*";
    case 4:
      return text.insert(Below(text.size() + 1), "*");
    default:
      return text;
  }
}

std::string Generator::Principal() {
  if (!Below(6)) return WithStars(Pick({TrustDomain(), "td/workload", "td/ns/a", "sa/a", "/"}));
  std::string domain = TrustDomain();
  if (!Below(4)) domain = Pick({"*", "*local", "x*", "*.td", "other", "*x"});
  std::string name = domain + "/ns/" + Word() + "/sa/" + Word();
  return Below(3) ? name : WithStars(name);
}

std::string Generator::Namespace() {
  const std::string word = Word();
  return Pick({word, word, word + "*", "*" + word, "*", "a*a", "*b*", "a**", "*.*"});
}

std::string Generator::Account() { return Below(3) ? Word() + "/" + Word() : Word(); }

std::string Generator::Segments() {
  std::string path;
  for (size_t segments = 1 + Below(4); segments > 0; --segments) {
    path += Pick({"/a", "/b", "/ab", "/", "/a;x", "/;", "/b%3Bx", "/%3b", "/.;y=1", "/;a;b", "/b;",
                  "/..", "/.", "/a\xff", "/a b"});
  }
  return path;
}
std::string Generator::Path() { return Segments(); }

std::string Generator::Host() {
  return Pick({"a.b", "A.b", "a.b:80", "a.b.", "a.b.:80", "b", "b:8080", "[::1]", "[::1]:80"});
}

std::string Generator::TokenPattern() {
  return Pick({"*", "*/s", "*i/s", "*s", "*t", Issuer() + "/*", Issuer() + "/s*", Issuer() + "*",
               Issuer() + "/s", Issuer(), "*/*", "*s*", "h*", Issuer() + "/x/s", Issuer() + "/"});
}

std::string Generator::ValueFor(const std::string& key) {
  if (key == "source.principal") return Principal();
  if (key == "source.namespace") return Namespace();
  if (key == "source.serviceAccount") return Account();
  if (key == "source.trustDomain") {
    return Pick({TrustDomain(), TrustDomain(), "*", "*.td", "x*", "*local"});
  }
  if (key == "source.ip" || key == "remote.ip" || key == "destination.ip") return IpBlock();
  if (key == "destination.port") return Port();
  if (key == "request.auth.principal") return TokenPattern();
  if (key == "method") return Pick({"GET", "POST", "*", "P*", "*T", "get", "PU*T"});
  if (key == "host") return WithStars(Host());
  if (key == "path") {
    if (Below(5)) return WithStars(Segments());
    return Pick(
        {"/{*}", "/a/{*}", "/{**}", "/a/{**}", "/{*}/b", "/{*}/{**}", "/{**}/b", "/a;x/{*}"});
  }
  if (key == "source.certificate.serial") return Pick({"a10", "*", "a1*", "b"});
  return WithStars(Word());
}

std::string Generator::Key() {
  return Pick({"source.principal",
               "source.namespace",
               "source.serviceAccount",
               "source.trustDomain",
               "source.ip",
               "remote.ip",
               "destination.ip",
               "destination.port",
               "connection.sni",
               "request.auth.principal",
               "request.auth.audiences",
               "request.auth.presenter",
               "request.auth.claims[scope]",
               "request.auth.claims[groups]",
               "request.auth.claims[n][m]",
               "request.auth.claims[a.b]",
               "request.auth.claims[iss]",
               "request.headers[x-a]",
               "request.headers[X-B]",
               "request.headers[:method]",
               "request.headers[host]",
               "source.certificate.subject.ou",
               "source.certificate.serial",
               "source.certificate.extension[1.2.3]"});
}

void Generator::MayFill(List& list, size_t one_of, const std::string& key) {
  if (Below(one_of) > 0) return;
  // A long list takes another way through the engine.
  for (size_t i = Below(12) ? 1 + Below(2) : 12; i > 0; --i) *list.Add() = ValueFor(key);
}

void Generator::FillSource(Source& source, bool custom) {
  if (!custom) {
    if (Below(4)) {
      MayFill(*source.mutable_principals(), 2, "source.principal");
      MayFill(*source.mutable_not_principals(), 6, "source.principal");
      MayFill(*source.mutable_namespaces(), 3, "source.namespace");
      MayFill(*source.mutable_not_namespaces(), 6, "source.namespace");
    } else {
      MayFill(*source.mutable_service_accounts(), 2, "source.serviceAccount");
      MayFill(*source.mutable_not_service_accounts(), 6, "source.serviceAccount");
    }
    MayFill(*source.mutable_trust_domains(), 8, "source.trustDomain");
    MayFill(*source.mutable_not_trust_domains(), 8, "source.trustDomain");
    MayFill(*source.mutable_request_principals(), 6, "request.auth.principal");
    MayFill(*source.mutable_not_request_principals(), 8, "request.auth.principal");
  }
  MayFill(*source.mutable_remote_ip_blocks(), 8, "remote.ip");
  MayFill(*source.mutable_not_remote_ip_blocks(), 8, "remote.ip");
  MayFill(*source.mutable_ip_blocks(), 8, "source.ip");
  MayFill(*source.mutable_not_ip_blocks(), source.ByteSizeLong() == 0 ? 1 : 8, "source.ip");
}

void Generator::FillOperation(Operation& operation) {
  MayFill(*operation.mutable_ports(), 3, "destination.port");
  MayFill(*operation.mutable_not_ports(), 6, "destination.port");
  MayFill(*operation.mutable_methods(), 4, "method");
  MayFill(*operation.mutable_not_methods(), 6, "method");
  MayFill(*operation.mutable_hosts(), 6, "host");
  MayFill(*operation.mutable_not_hosts(), 8, "host");
  MayFill(*operation.mutable_paths(), 3, "path");
  MayFill(*operation.mutable_not_paths(), operation.ByteSizeLong() == 0 ? 1 : 4, "path");
}

void Generator::FillRule(security::v1::Rule& rule, bool custom) {
  for (size_t i = Below(3); i > 0; --i) FillSource(*rule.add_from()->mutable_source(), custom);
  for (size_t i = Below(3); i > 0; --i) FillOperation(*rule.add_to()->mutable_operation());
  for (size_t i = Below(2) * Below(3); i > 0; --i) {
    auto& when = *rule.add_when();
    do {
      when.set_key(Key());
    } while (custom && (when.key().rfind("request.auth", 0) == 0 ||
                        (when.key().rfind("source.", 0) == 0 && when.key() != "source.ip")));
    MayFill(*when.mutable_values(), 2, when.key());
    MayFill(*when.mutable_not_values(), when.values().empty() ? 1 : 4, when.key());
  }
}

// ---- The engine's side ----

struct EngineRequest::State {
  Request request;
  std::unique_ptr<base::SpiffeId> peer;
  base::SocketAddress source, remote, destination;
  std::vector<HeaderView> headers;
  Claims claims;
  CertificateView certificate;
  std::vector<absl::string_view> units;
  std::vector<std::pair<absl::string_view, absl::string_view>> extensions;
  OracleRequest from;
};

namespace {

Claim ToClaim(const json& value) {
  Claim claim;
  if (value.is_string()) {
    claim.kind = Claim::Kind::kString;
    claim.text = value.get<std::string>();
  } else if (value.is_array()) {
    claim.kind = Claim::Kind::kList;
    for (const json& item : value) claim.items.push_back(ToClaim(item));
  } else if (value.is_object()) {
    claim.kind = Claim::Kind::kMap;
    for (const auto& [key, member] : value.items())
      claim.members.emplace_back(key, ToClaim(member));
  } else {
    claim.kind = Claim::Kind::kNumber;
    claim.text = value.dump();
  }
  return claim;
}

const base::SocketAddress* Address(const std::string& ip, base::SocketAddress& out) {
  if (ip.empty()) return nullptr;
  const bool v6 = ip.find(':') != std::string::npos;
  out = *base::SocketAddress::Parse(v6 ? "[" + ip + "]:1" : ip + ":1");
  return &out;
}

}  // namespace

EngineRequest::EngineRequest(const OracleRequest& from) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.from = from;
  const OracleRequest& kept = state.from;
  Request& request = state.request;
  request.kind = kept.http ? Request::Kind::kHttp : Request::Kind::kTcp;
  if (!kept.spiffe_id.empty()) {
    state.peer = std::make_unique<base::SpiffeId>(*base::SpiffeId::Parse(kept.spiffe_id));
    request.peer = state.peer.get();
    request.certificate = &state.certificate;
  }
  for (const auto& [key, values] : kept.certificate) {
    if (key == "source.certificate.serial") state.certificate.serial = values[0];
    if (key == "source.certificate.subject.ou") {
      state.units.assign(values.begin(), values.end());
      state.certificate.subject_ou = state.units;
    }
    if (key == "source.certificate.extension[1.2.3]") {
      state.extensions.emplace_back("1.2.3", values[0]);
      state.certificate.extensions = state.extensions;
    }
  }
  request.source = Address(kept.source_ip, state.source);
  request.remote = Address(kept.remote_ip, state.remote);
  request.destination = Address(kept.destination_ip, state.destination);
  request.destination_port = static_cast<uint16_t>(kept.port);
  request.sni = kept.sni;
  request.method = kept.method;
  request.host = kept.host;
  request.path = kept.path;
  request.target = kept.path;
  request.has_path = kept.has_path;
  for (const auto& [name, value] : kept.headers) state.headers.push_back({name, value});
  request.headers = state.headers;
  if (kept.has_claims) {
    state.claims.payload = ToClaim(kept.claims);
    state.claims.space_delimited.assign(kept.space_delimited.begin(), kept.space_delimited.end());
    request.claims = &state.claims;
  }
}
EngineRequest::~EngineRequest() = default;
const Request& EngineRequest::get() const { return state_->request; }

std::string Disagreement(const PolicySet& compiled,
                         const std::vector<AuthorizationPolicy>& policies,
                         const PolicySet::Options& options, const OracleRequest& from,
                         OracleAnswer& answer) {
  OracleMesh mesh;
  mesh.trust_domains = {options.trust_domain};
  for (const std::string& alias : options.trust_domain_aliases) {
    mesh.trust_domains.push_back(alias);
  }
  answer = Ask(policies, mesh, from);
  const EngineRequest request(from);
  const Decision decision = compiled.Decide(request.get());
  const absl::optional<CustomMatch> custom = compiled.MatchCustom(request.get());
  std::string what;
  if (decision.allowed != answer.allowed) what += "allowed ";
  if (decision.audit != answer.audit) what += "audit ";
  if (compiled.DecideDryRun(request.get()).allowed != answer.dry_allowed) what += "dry-run ";
  if (custom.has_value() == answer.custom.empty()) what += "custom ";
  if (custom && !answer.custom.count({std::string(custom->policy), custom->rule})) what += "asked ";
  const bool by_rule = decision.rule >= 0;
  if (by_rule == answer.deciding.empty()) what += "by-rule ";
  if (by_rule && !answer.deciding.count({std::string(decision.policy), decision.rule})) {
    what += "rule ";
  }
  if (what.empty()) return what;
  json certificate = from.certificate;
  what = "the engine differs on " + what + "from " + (answer.allowed ? "allow" : "deny") + "\n" +
         from.spiffe_id + (from.http ? " http " : " tcp ") + from.method + " '" + from.host +
         "' '" + from.path + "' port " + std::to_string(from.port) + " source " + from.source_ip +
         " remote " + from.remote_ip + " destination " + from.destination_ip + " sni " + from.sni +
         " claims " + (from.has_claims ? from.claims.dump() : "-") + " " + certificate.dump() +
         "\n";
  for (const auto& [name, value] : from.headers) what += name + ": " + value + "\n";
  for (const std::string& domain : mesh.trust_domains) what += domain + " ";
  for (const AuthorizationPolicy& policy : policies) what += "\n" + policy.DebugString();
  return what;
}

}  // namespace kith::policy
