#include "source/control/translate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/base/ip.h"
#include "source/base/status.h"
#include "source/control/known.h"
#include "source/control/tls_origination.h"
#include "source/control/traffic_policy.h"
#include "source/control/trust_rules.h"

namespace kith::control {
namespace {

using MutualTls = security::v1::PeerAuthenticationSpec::MutualTLS;
using ProtoEndpoint = mesh::v1::Endpoint;

constexpr uint32_t kMaxPort = 65535;
constexpr size_t kMaxKeyId = 128;

absl::Status Bad(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

absl::StatusOr<uint16_t> Port(absl::string_view field, uint32_t number) {
  if (number < 1 || number > kMaxPort) {
    return Bad(field, absl::StrCat(number, " is no port: 1 to 65535"));
  }
  return static_cast<uint16_t>(number);
}

absl::StatusOr<mesh::MtlsMode> Mode(absl::string_view field, int mode) {
  switch (mode) {
    case MutualTls::STRICT:
      return mesh::MtlsMode::kStrict;
    case MutualTls::PERMISSIVE:
      return mesh::MtlsMode::kPermissive;
    case MutualTls::DISABLE:
      return mesh::MtlsMode::kDisable;
    default:
      return Bad(field, "is not STRICT, PERMISSIVE or DISABLE");
  }
}

absl::StatusOr<mesh::PathNormalization> Normalization(int value) {
  switch (value) {
    case mesh::v1::DECODE_AND_MERGE_SLASHES:
      return mesh::PathNormalization::kDecodeAndMergeSlashes;
    case mesh::v1::MERGE_SLASHES:
      return mesh::PathNormalization::kMergeSlashes;
    case mesh::v1::BASE:
      return mesh::PathNormalization::kBase;
    case mesh::v1::NONE:
      return mesh::PathNormalization::kNone;
    default:
      return Bad("pathNormalization", "is unknown");
  }
}

absl::StatusOr<mesh::EndpointTls> Tls(absl::string_view field, int tls) {
  switch (tls) {
    case ProtoEndpoint::MUTUAL:
      return mesh::EndpointTls::kMutual;
    case ProtoEndpoint::PLAINTEXT:
      return mesh::EndpointTls::kPlaintext;
    default:
      return Bad(field, "is not MUTUAL or PLAINTEXT");
  }
}

absl::StatusOr<base::SpiffeId> Principal(absl::string_view field, const std::string& text) {
  auto id = base::SpiffeId::Parse(text);
  if (!id.ok()) return Bad(field, id.status().message());
  return id;
}

// Null where TLS is not originated.
absl::StatusOr<std::shared_ptr<const mesh::TlsOrigination>> Origination(
    const mesh::v1::Service& service, const mesh::v1::ServicePort& port) {
  if (!port.has_origination()) {
    if (port.in_band_tls() == mesh::v1::IN_BAND_TLS_UNSPECIFIED) return nullptr;
    return Bad("ports.inBandTls", "needs ports.origination");
  }
  const std::vector<std::string> names(service.subject_alt_names().begin(),
                                       service.subject_alt_names().end());
  auto made = TranslateTlsOrigination(port.origination(), service.host(), names);
  if (!made.ok()) {
    return absl::Status(made.status().code(),
                        absl::StrCat("ports.origination: ", made.status().message()));
  }
  if (port.in_band_tls() == mesh::v1::POSTGRESQL) made->in_band = mesh::InBandTls::kPostgresql;
  if (port.in_band_tls() == mesh::v1::MYSQL) made->in_band = mesh::InBandTls::kMysql;
  if (made->in_band != mesh::InBandTls::kNone && port.protocol() != mesh::v1::ServicePort::TCP) {
    return Bad("ports.inBandTls", "needs protocol TCP");
  }
  return std::make_shared<const mesh::TlsOrigination>(*std::move(made));
}

absl::StatusOr<std::vector<mesh::ServicePort>> Ports(const mesh::v1::Service& service) {
  if (service.ports().empty()) return Bad("ports", "are missing");
  std::vector<mesh::ServicePort> ports;
  for (const mesh::v1::ServicePort& from : service.ports()) {
    mesh::ServicePort port;
    KITH_ASSIGN_OR_RETURN(port.number, Port("ports.number", from.number()));
    switch (from.protocol()) {
      case mesh::v1::ServicePort::HTTP:
        port.protocol = mesh::Protocol::kHttp;
        break;
      case mesh::v1::ServicePort::HTTP2:
        port.protocol = mesh::Protocol::kHttp2;
        break;
      case mesh::v1::ServicePort::TCP:
        port.protocol = mesh::Protocol::kTcp;
        break;
      default:
        return Bad("ports.protocol", "is not HTTP, HTTP2 or TCP");
    }
    KITH_ASSIGN_OR_RETURN(port.policy, TranslateTrafficPolicy(from.traffic_policy()));
    KITH_ASSIGN_OR_RETURN(port.origination, Origination(service, from));
    for (const mesh::ServicePort& other : ports) {
      if (other.number == port.number) {
        return Bad("ports.number", absl::StrCat(port.number, " appears twice"));
      }
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

// What an endpoint is on each of its ports.
absl::Status AddEndpoint(const ProtoEndpoint& from, const std::vector<base::SpiffeId>& names,
                         std::vector<mesh::ServicePort>& ports) {
  std::vector<base::SpiffeId> principals = names;
  if (!from.principal().empty()) {
    KITH_ASSIGN_OR_RETURN(auto principal, Principal("principal", from.principal()));
    if (names.empty()) principals.push_back(std::move(principal));
  }
  KITH_ASSIGN_OR_RETURN(const mesh::EndpointTls tls, Tls("tls", from.tls()));
  if (from.addresses().empty()) return Bad("addresses", "are missing");
  size_t placed = 0;
  for (mesh::ServicePort& port : ports) {
    const auto address = from.addresses().find(port.number);
    if (address == from.addresses().end()) continue;
    ++placed;
    mesh::Endpoint endpoint;
    auto parsed = base::SocketAddress::Parse(address->second);
    if (!parsed.ok() || !parsed->UnixPath().empty() || parsed->port() == 0) {
      return Bad("addresses", absl::StrCat("\"", address->second, "\" is not \"ip:port\""));
    }
    endpoint.address = *std::move(parsed);
    endpoint.workload = from.workload();
    endpoint.tls = tls;
    const auto own_tls = from.port_tls().find(port.number);
    if (own_tls != from.port_tls().end()) {
      KITH_ASSIGN_OR_RETURN(endpoint.tls, Tls("portTls", own_tls->second));
    }
    endpoint.principals = principals;
    if (port.origination != nullptr) {
      endpoint.tls = mesh::EndpointTls::kOriginated;
      endpoint.origination = port.origination;
    }
    if (endpoint.tls == mesh::EndpointTls::kMutual && principals.empty()) {
      return Bad("principal", "is required where tls is MUTUAL");
    }
    endpoint.weight = from.weight() == 0 ? 1 : from.weight();
    endpoint.locality = from.locality();
    port.endpoints.push_back(std::move(endpoint));
  }
  if (placed != static_cast<size_t>(from.addresses_size())) {
    return Bad("addresses", "name a port that the service does not have");
  }
  for (const auto& [number, mode] : from.port_tls()) {
    if (!from.addresses().contains(number)) {
      return Bad("portTls", absl::StrCat(number, " is no port of this endpoint"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<mesh::CapturedWorkload> Captured(const mesh::v1::CapturedWorkload& from) {
  mesh::CapturedWorkload workload;
  workload.workload = from.workload();
  KITH_ASSIGN_OR_RETURN(auto principal, Principal("capturedWorkload.principal", from.principal()));
  workload.principals.push_back(std::move(principal));
  KITH_ASSIGN_OR_RETURN(workload.tls, Tls("capturedWorkload.tls", from.tls()));
  for (const auto& [number, tls] : from.port_tls()) {
    KITH_ASSIGN_OR_RETURN(const uint16_t port, Port("capturedWorkload.portTls", number));
    KITH_ASSIGN_OR_RETURN(workload.port_tls[port], Tls("capturedWorkload.portTls", tls));
  }
  return workload;
}

// What judges single requests beside the policies.
absl::Status TranslateRules(const mesh::v1::WorkloadConfig& config,
                            const policy::PolicySet::Options& options, WorkloadSettings& settings) {
  const std::vector<security::v1::RequestAuthentication> authentications(
      config.request_authentications().begin(), config.request_authentications().end());
  KITH_ASSIGN_OR_RETURN(settings.authentication, jwt::Authentication::Compile(authentications));
  const std::vector<ratelimit::v1::RateLimitPolicy> limits(config.rate_limit_policies().begin(),
                                                           config.rate_limit_policies().end());
  KITH_ASSIGN_OR_RETURN(settings.rate_limits, ratelimit::RateLimits::Compile(limits, options));
  for (const mesh::v1::ExtensionProvider& from : config.extension_providers()) {
    auto provider = extauthz::Provider::From(from.provider());
    if (!provider.ok()) return base::Annotate(provider.status(), "extensionProviders");
    provider->addresses = {from.addresses().begin(), from.addresses().end()};
    settings.providers.push_back(*std::move(provider));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WorkloadSettings> TranslateWorkload(const mesh::v1::WorkloadConfig& config,
                                                   absl::string_view trust_domain,
                                                   const tls::TrustRules& rules) {
  KITH_RETURN_IF_ERROR(CheckKnown(config));
  if (config.trust_domain() != trust_domain) {
    return Bad("trustDomain",
               absl::StrCat("\"", config.trust_domain(), "\" is not this workload's, ",
                            trust_domain, "; correct workload.trustDomain of the sidecar"));
  }
  WorkloadSettings settings;
  KITH_ASSIGN_OR_RETURN(settings.modes.mode, Mode("mtlsMode", config.mtls_mode()));
  for (const auto& [number, mode] : config.port_mtls_modes()) {
    KITH_ASSIGN_OR_RETURN(const uint16_t port, Port("portMtlsModes", number));
    KITH_ASSIGN_OR_RETURN(settings.modes.port_modes[port], Mode("portMtlsModes", mode));
  }
  KITH_ASSIGN_OR_RETURN(settings.modes.path_normalization,
                        Normalization(config.path_normalization()));
  settings.modes.locality = config.locality();
  for (const uint32_t number : config.http2_ports()) {
    KITH_ASSIGN_OR_RETURN(const uint16_t port, Port("http2Ports", number));
    settings.modes.http2_ports.insert(port);
  }
  KITH_ASSIGN_OR_RETURN(settings.rules, TranslateTrustPolicies(config.trust_policies(), rules));
  policy::PolicySet::Options options;
  options.trust_domain = config.trust_domain();
  for (const std::string& alias : config.trust_domain_aliases()) {
    if (!base::IsTrustDomain(alias)) {
      return Bad("trustDomainAliases", absl::StrCat("\"", alias, "\" is no trust domain"));
    }
    options.trust_domain_aliases.push_back(alias);
  }
  if (!base::IsSpiffeSegment(config.root_namespace())) {
    return Bad("rootNamespace", "is no namespace's name");
  }
  options.root_namespace = config.root_namespace();
  const std::vector<security::v1::AuthorizationPolicy> policies(
      config.authorization_policies().begin(), config.authorization_policies().end());
  KITH_ASSIGN_OR_RETURN(settings.policies, policy::PolicySet::Compile(policies, options));
  for (const security::v1::AuthorizationPolicy& policy : policies) {
    settings.summaries.push_back(
        {absl::StrCat(policy.metadata().namespace_(), "/", policy.metadata().name()),
         security::v1::AuthorizationPolicySpec::Action_Name(policy.spec().action()),
         policy.spec().rules_size()});
  }
  KITH_RETURN_IF_ERROR(TranslateRules(config, options, settings));
  return settings;
}

absl::StatusOr<std::shared_ptr<const mesh::Service>> TranslateService(
    const mesh::v1::Service& service, absl::string_view name) {
  KITH_RETURN_IF_ERROR(CheckKnown(service));
  if (service.host().empty() || (service.host() != name && !base::ParseIp(name).ok())) {
    return Bad("host", absl::StrCat("\"", service.host(), "\" is not the resource's name"));
  }
  auto result = std::make_shared<mesh::Service>();
  result->host = service.host();
  result->name_space = service.namespace_();
  if (service.has_captured_workload()) {
    KITH_ASSIGN_OR_RETURN(result->captured, Captured(service.captured_workload()));
    return std::shared_ptr<const mesh::Service>(std::move(result));
  }
  KITH_ASSIGN_OR_RETURN(result->ports, Ports(service));
  std::vector<base::SpiffeId> names;
  for (const std::string& text : service.subject_alt_names()) {
    KITH_ASSIGN_OR_RETURN(auto id, Principal("subjectAltNames", text));
    names.push_back(std::move(id));
  }
  for (int i = 0; i < service.endpoints_size(); ++i) {
    KITH_RETURN_IF_ERROR(base::Annotate(AddEndpoint(service.endpoints(i), names, result->ports),
                                        absl::StrCat("endpoints[", i, "]")));
  }
  return std::shared_ptr<const mesh::Service>(std::move(result));
}

absl::StatusOr<tls::TrustBundle::Domain> TranslateTrustBundle(const mesh::v1::TrustBundle& bundle,
                                                              absl::string_view name) {
  KITH_RETURN_IF_ERROR(CheckKnown(bundle));
  if (!base::IsTrustDomain(bundle.trust_domain()) || bundle.trust_domain() != name) {
    return Bad("trustDomain",
               absl::StrCat("\"", bundle.trust_domain(), "\" is not the resource's name"));
  }
  if (bundle.roots().empty()) return Bad("roots", "are missing");
  tls::TrustBundle::Domain domain{bundle.trust_domain(), bundle.roots(), bundle.generation()};
  for (const std::string& key_id : bundle.retiring_key_ids()) {
    if (key_id.empty() || key_id.size() > kMaxKeyId ||
        !std::all_of(key_id.begin(), key_id.end(), absl::ascii_isxdigit)) {
      return Bad("retiringKeyIds", "holds something else than key ids in hex");
    }
    domain.retiring_key_ids.push_back(absl::AsciiStrToLower(key_id));
  }
  domain.crls.assign(bundle.crls().begin(), bundle.crls().end());
  return domain;
}

}  // namespace kith::control
