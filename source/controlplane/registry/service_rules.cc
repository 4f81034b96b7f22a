#include "source/controlplane/registry/service_rules.h"

#include <cmath>
#include <set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "source/base/ip.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/controlplane/registry/locality.h"

namespace kith::controlplane {
namespace {

constexpr int kLongestAffinity = 86400;  // Seconds; Kubernetes' own limit.
constexpr absl::string_view kTlsModeLabel = "security.istio.io/tlsMode";

absl::Status Invalid(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

absl::Status NotSupported(absl::string_view field, absl::string_view problem) {
  return absl::UnimplementedError(absl::StrCat(field, ": ", problem));
}

bool IsDnsLabel(absl::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  for (const char c : text) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-') return false;
  }
  return true;
}

bool IsDnsName(absl::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    if (!IsDnsLabel(label)) return false;
  }
  return true;
}

bool IsPort(double number) {
  return number >= 1 && number <= 65535 && number == std::floor(number);
}

Labels ToLabels(const google::protobuf::Map<std::string, std::string>& map) {
  return Labels(map.begin(), map.end());
}

absl::Status CheckSelector(absl::string_view field, const Labels& selector) {
  if (selector.empty()) return Invalid(field, "selects nothing; name at least one label");
  for (const auto& [key, value] : selector) {
    if (key.empty()) return Invalid(field, "a label's key is empty");
  }
  return absl::OkStatus();
}

// Numbers and, where given, names are unique among a service's ports.
absl::Status CheckDistinct(const std::vector<PortDefinition>& ports) {
  std::set<uint32_t> numbers;
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!numbers.insert(ports[i].number).second) {
      return Invalid(absl::StrCat("spec.ports[", i, "]"),
                     absl::StrCat("port ", ports[i].number, " appears twice"));
    }
    if (ports.size() == 1) break;
    if (ports[i].name.empty()) {
      return Invalid(absl::StrCat("spec.ports[", i, "].name"),
                     "is required when there are several ports");
    }
    if (!names.insert(ports[i].name).second) {
      return Invalid(absl::StrCat("spec.ports[", i, "].name"),
                     absl::StrCat("\"", ports[i].name, "\" appears twice"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> TargetPort(const networking::v1::ServicePort& port,
                                    absl::string_view field, Origin origin) {
  if (!port.has_target_port()) return port.port();
  const google::protobuf::Value& target = port.target_port();
  if (target.has_number_value()) {
    if (!IsPort(target.number_value())) return Invalid(field, "must be 1 to 65535");
    return static_cast<uint32_t>(target.number_value());
  }
  if (target.has_string_value()) {
    if (origin == Origin::kCluster) return 0;
    return NotSupported(field, absl::StrCat("the port name \"", target.string_value(),
                                            "\" is not supported yet; write the port's number"));
  }
  return Invalid(field, "must be a port number");
}

// Whether a workload may have a name instead of an address.
enum class Names : uint8_t { kRefused, kResolved };

absl::StatusOr<StaticWorkload> FromSpec(const networking::v1::WorkloadEntrySpec& spec,
                                        absl::string_view path, Names names) {
  StaticWorkload workload;
  const std::string address_field = absl::StrCat(path, ".address");
  if (spec.address().empty()) return Invalid(address_field, "is required");
  if (absl::StartsWith(spec.address(), "unix:")) {
    return NotSupported(address_field, "UNIX sockets are not supported yet; write an IP address");
  }
  const auto address = base::ParseIp(spec.address());
  if (address.ok()) {
    workload.ip = address->IpString();
  } else if (names == Names::kResolved && IsDnsName(spec.address())) {
    workload.dns_name = spec.address();
  } else {
    return Invalid(address_field,
                   absl::StrCat("\"", spec.address(),
                                names == Names::kResolved
                                    ? "\" is neither an IP address nor a DNS name in lower case"
                                    : "\" is no IP address; names need a ServiceEntry with "
                                      "resolution: DNS"));
  }
  for (const auto& [name, number] : spec.ports()) {
    if (!IsPort(number)) {
      return Invalid(absl::StrCat(path, ".ports[", name, "]"), "must be 1 to 65535");
    }
    workload.ports[name] = number;
  }
  if (!spec.network().empty()) {
    return NotSupported(absl::StrCat(path, ".network"),
                        "several networks are not supported yet; remove it");
  }
  workload.labels = ToLabels(spec.labels());
  workload.weight = spec.weight();
  if (spec.locality().empty()) {
    workload.locality = LocalityOf(workload.labels);
  } else {
    KITH_RETURN_IF_ERROR(
        base::Annotate(CheckLocality(spec.locality()), absl::StrCat(path, ".locality")));
    workload.locality = spec.locality();
  }
  workload.service_account = spec.service_account();
  if (!spec.service_account().empty() && !base::IsSpiffeSegment(spec.service_account())) {
    return Invalid(absl::StrCat(path, ".serviceAccount"),
                   absl::StrCat("\"", spec.service_account(), "\" is no service account's name"));
  }
  const auto mode = workload.labels.find(std::string(kTlsModeLabel));
  workload.has_sidecar = mode != workload.labels.end() && mode->second == "istio";
  if (workload.has_sidecar && workload.service_account.empty()) {
    return Invalid(absl::StrCat(path, ".serviceAccount"),
                   absl::StrCat("is required with the label ", kTlsModeLabel,
                                "=istio: it says whose identity the workload must prove"));
  }
  return workload;
}

absl::StatusOr<std::vector<PortDefinition>> EntryPorts(
    const networking::v1::ServiceEntrySpec& spec) {
  static const auto& http =
      *new absl::flat_hash_set<std::string>{"HTTP", "HTTP2", "GRPC", "GRPC-WEB"};
  static const auto& tcp = *new absl::flat_hash_set<std::string>{
      "TCP", "TLS", "HTTPS", "MONGO", "MYSQL", "REDIS", "POSTGRES", "POSTGRESQL"};
  std::vector<PortDefinition> ports;
  for (int i = 0; i < spec.ports_size(); ++i) {
    const networking::v1::ServiceEntryPort& port = spec.ports(i);
    const std::string field = absl::StrCat("spec.ports[", i, "]");
    if (!IsPort(port.number())) return Invalid(field + ".number", "must be 1 to 65535");
    if (port.name().empty()) return Invalid(field + ".name", "is required");
    if (port.target_port() > 65535) return Invalid(field + ".targetPort", "must be 1 to 65535");
    const std::string protocol = absl::AsciiStrToUpper(port.protocol());
    if (!http.contains(protocol) && !tcp.contains(protocol)) {
      return Invalid(field + ".protocol",
                     absl::StrCat("\"", port.protocol(),
                                  "\" is not one of HTTP, HTTP2, GRPC, GRPC-WEB, TCP, TLS, HTTPS, "
                                  "MONGO, MYSQL, POSTGRES, REDIS"));
    }
    ports.push_back({.number = port.number(),
                     .name = port.name(),
                     .protocol = ProtocolOf(protocol, ""),
                     .in_band_tls = InBandTlsOf(protocol == "TCP" ? "" : protocol, port.name()),
                     .target_port = port.target_port() ? port.target_port() : port.number()});
  }
  if (ports.empty()) return Invalid("spec.ports", "is required");
  KITH_RETURN_IF_ERROR(CheckDistinct(ports));
  return ports;
}

// The form in which addresses are compared.
absl::StatusOr<std::string> VirtualAddress(const std::string& field, const std::string& text) {
  const auto address = base::ParseIp(text);
  if (!address.ok()) {
    return absl::StrContains(text, '/')
               ? NotSupported(field, absl::StrCat("\"", text,
                                                  "\" is a range; list the addresses themselves"))
               : Invalid(field, absl::StrCat("\"", text, "\" is no IP address"));
  }
  return address->IpString();
}
absl::StatusOr<bool> HasClientIpAffinity(const networking::v1::ServiceSpec& spec) {
  const bool by_address = spec.session_affinity() == "ClientIP";
  if (!by_address && !spec.session_affinity().empty() && spec.session_affinity() != "None") {
    return Invalid("spec.sessionAffinity", "must be None or ClientIP");
  }
  if (!spec.has_session_affinity_config()) return by_address;
  if (!by_address) return Invalid("spec.sessionAffinityConfig", "goes with ClientIP");
  const auto& client_ip = spec.session_affinity_config().client_ip();
  if (client_ip.timeout_seconds() < 0 || client_ip.timeout_seconds() > kLongestAffinity) {
    return Invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", "must be 1 to 86400");
  }
  return true;
}

}  // namespace

absl::Status CheckHost(absl::string_view field, absl::string_view host,
                       absl::string_view name_space) {
  if (absl::StrContains(host, '*')) {
    return NotSupported(field, "wildcard hosts are not supported yet; list each host");
  }
  if (!IsDnsName(host)) {
    return Invalid(field, absl::StrCat("\"", host, "\" is no DNS name in lower case"));
  }
  // Otherwise a tenant could answer for another namespace's Services.
  const std::string cluster_suffix = absl::StrCat(".svc.", kClusterDomain);
  if (absl::EndsWith(host, cluster_suffix) &&
      !absl::EndsWith(host, absl::StrCat(".", name_space, cluster_suffix))) {
    return Invalid(field,
                   absl::StrCat("\"", host, "\" belongs to another namespace than ", name_space));
  }
  return absl::OkStatus();
}

absl::Status CheckMetadata(meta::v1::ObjectMeta& metadata) {
  if (metadata.name().empty()) return Invalid("metadata.name", "is required");
  if (!IsDnsName(metadata.name())) {
    return Invalid("metadata.name", absl::StrCat("\"", metadata.name(),
                                                 "\" is not lower-case letters, digits, - and ."));
  }
  if (metadata.namespace_().empty()) metadata.set_namespace_("default");
  if (!IsDnsLabel(metadata.namespace_())) {
    return Invalid("metadata.namespace",
                   absl::StrCat("\"", metadata.namespace_(),
                                "\" is not at most 63 lower-case letters, digits and -"));
  }
  return absl::OkStatus();
}

PortProtocol ProtocolOf(absl::string_view app_protocol, absl::string_view port_name) {
  static const auto& http =
      *new absl::flat_hash_set<std::string>{"http", "grpc-web", "kubernetes.io/ws"};
  static const auto& tcp =
      *new absl::flat_hash_set<std::string>{"tcp",      "tls",        "https",
                                            "mongo",    "mysql",      "redis",
                                            "postgres", "postgresql", "kubernetes.io/wss"};
  static const auto& http2 =
      *new absl::flat_hash_set<std::string>{"http2", "grpc", "kubernetes.io/h2c"};
  const std::string declared = absl::AsciiStrToLower(app_protocol);
  if (http2.contains(declared)) return PortProtocol::kHttp2;
  if (http.contains(declared)) return PortProtocol::kHttp;
  if (tcp.contains(declared)) return PortProtocol::kTcp;
  const std::string prefix(port_name.substr(0, port_name.find('-')));
  // "grpc-web" is a protocol with a dash in it, and runs over HTTP/1.1 too.
  if (port_name == "grpc-web" || absl::StartsWith(port_name, "grpc-web-")) {
    return PortProtocol::kHttp;
  }
  if (http2.contains(prefix)) return PortProtocol::kHttp2;
  return http.contains(prefix) ? PortProtocol::kHttp : PortProtocol::kTcp;
}

InBandTls InBandTlsOf(absl::string_view app_protocol, absl::string_view port_name) {
  const std::string declared =
      absl::AsciiStrToLower(app_protocol.empty() ? port_name : app_protocol);
  // "mysql-replica" and "postgres15" are what such ports are called, too.
  if (absl::StartsWith(declared, "postgres")) return InBandTls::kPostgresql;
  if (absl::StartsWith(declared, "mysql") || absl::StartsWith(declared, "mariadb")) {
    return InBandTls::kMysql;
  }
  return InBandTls::kNone;
}

absl::StatusOr<ServiceDefinition> FromService(const networking::v1::Service& service,
                                              Origin origin) {
  const networking::v1::ServiceSpec& spec = service.spec();
  const bool is_external = spec.type() == "ExternalName";
  if (is_external && (spec.ports().empty() || !IsDnsName(spec.external_name()))) {
    return NotSupported(
        "spec.type",
        "an ExternalName is reached only if it lists its ports, and its name is one "
        "of DNS in lower case; or write a ServiceEntry");
  }
  if (!is_external && !spec.external_name().empty()) {
    return Invalid("spec.externalName", "goes with the type ExternalName");
  }
  if (!spec.type().empty() && !is_external && spec.type() != "ClusterIP" &&
      spec.type() != "NodePort" && spec.type() != "LoadBalancer") {
    return Invalid("spec.type", absl::StrCat("\"", spec.type(), "\" is unknown"));
  }
  ServiceDefinition definition;
  KITH_ASSIGN_OR_RETURN(definition.client_ip_affinity, HasClientIpAffinity(spec));
  if (!IsDnsLabel(service.metadata().name())) {
    return Invalid("metadata.name", "a Service's name has no dots and at most 63 characters");
  }
  definition.name_space = service.metadata().namespace_();
  definition.host =
      absl::StrCat(service.metadata().name(), ".", definition.name_space, ".svc.", kClusterDomain);
  definition.selector = ToLabels(spec.selector());
  if (is_external) {
    // Its selector, if it has one, means nothing to Kubernetes either.
    definition.selector.clear();
    StaticWorkload endpoint;
    endpoint.name_space = definition.name_space;
    endpoint.name = spec.external_name();
    endpoint.dns_name = spec.external_name();
    definition.endpoints.push_back(std::move(endpoint));
  } else if (origin == Origin::kFile || !definition.selector.empty()) {
    KITH_RETURN_IF_ERROR(CheckSelector("spec.selector", definition.selector));
  }
  if (spec.ports().empty()) return Invalid("spec.ports", "is required");
  for (int i = 0; i < spec.ports_size(); ++i) {
    const networking::v1::ServicePort& port = spec.ports(i);
    const std::string field = absl::StrCat("spec.ports[", i, "]");
    if (!IsPort(port.port())) return Invalid(field + ".port", "must be 1 to 65535");
    if (!port.protocol().empty() && port.protocol() != "TCP") {
      return NotSupported(field + ".protocol",
                          absl::StrCat(port.protocol(), " is not supported, only TCP"));
    }
    KITH_ASSIGN_OR_RETURN(const uint32_t target, TargetPort(port, field + ".targetPort", origin));
    definition.ports.push_back({.number = port.port(),
                                .name = port.name(),
                                .protocol = ProtocolOf(port.app_protocol(), port.name()),
                                .in_band_tls = InBandTlsOf(port.app_protocol(), port.name()),
                                .target_port = target});
  }
  KITH_RETURN_IF_ERROR(CheckDistinct(definition.ports));
  std::vector<std::string> addresses(spec.cluster_ips().begin(), spec.cluster_ips().end());
  if (addresses.empty() && !spec.cluster_ip().empty()) addresses.push_back(spec.cluster_ip());
  for (const std::string& text : addresses) {
    if (text == "None") continue;  // A headless service: its workloads' own addresses are called.
    KITH_ASSIGN_OR_RETURN(std::string address, VirtualAddress("spec.clusterIPs", text));
    definition.addresses.push_back(std::move(address));
  }
  return definition;
}

absl::StatusOr<std::vector<ServiceDefinition>> FromServiceEntry(
    const networking::v1::ServiceEntry& entry) {
  using networking::v1::ServiceEntrySpec;
  const ServiceEntrySpec& spec = entry.spec();
  const std::string& name_space = entry.metadata().namespace_();
  if (spec.resolution() == ServiceEntrySpec::NONE) {
    return NotSupported("spec.resolution",
                        "NONE (also when it is absent) needs captured traffic, which is not "
                        "supported yet; write resolution: STATIC");
  }
  const bool by_name = spec.resolution() == ServiceEntrySpec::DNS;
  if (!by_name && spec.resolution() != ServiceEntrySpec::STATIC) {
    return NotSupported("spec.resolution",
                        absl::StrCat(ServiceEntrySpec::Resolution_Name(spec.resolution()),
                                     " is not supported; write DNS, which uses every address"));
  }
  for (const std::string& visible : spec.export_to()) {
    if (visible != "*") {
      return NotSupported("spec.exportTo",
                          "narrower visibility than \"*\" is not supported yet; remove it");
    }
  }
  if (spec.hosts().empty()) return Invalid("spec.hosts", "is required");

  ServiceDefinition common;
  common.name_space = name_space;
  KITH_ASSIGN_OR_RETURN(common.ports, EntryPorts(spec));
  for (int i = 0; i < spec.subject_alt_names_size(); ++i) {
    const auto id = base::SpiffeId::Parse(spec.subject_alt_names(i));
    if (!id.ok()) {
      return NotSupported(absl::StrCat("spec.subjectAltNames[", i, "]"),
                          absl::StrCat("only SPIFFE IDs are supported: ", id.status().message()));
    }
    common.subject_alt_names.push_back(id->text());
  }
  for (int i = 0; i < spec.addresses_size(); ++i) {
    KITH_ASSIGN_OR_RETURN(
        std::string address,
        VirtualAddress(absl::StrCat("spec.addresses[", i, "]"), spec.addresses(i)));
    common.addresses.push_back(std::move(address));
  }
  if (spec.has_workload_selector()) {
    if (!spec.endpoints().empty()) {
      return Invalid("spec.endpoints", "cannot stand beside spec.workloadSelector");
    }
    if (by_name) {
      return Invalid("spec.workloadSelector",
                     "selects workloads, which have addresses; write resolution: STATIC");
    }
    common.selector = ToLabels(spec.workload_selector().labels());
    KITH_RETURN_IF_ERROR(CheckSelector("spec.workloadSelector.labels", common.selector));
  } else if (spec.endpoints().empty() && !by_name) {
    return Invalid("spec.endpoints", "is required, or spec.workloadSelector");
  }
  for (int i = 0; i < spec.endpoints_size(); ++i) {
    KITH_ASSIGN_OR_RETURN(StaticWorkload workload,
                          FromSpec(spec.endpoints(i), absl::StrCat("spec.endpoints[", i, "]"),
                                   by_name ? Names::kResolved : Names::kRefused));
    workload.name_space = name_space;
    workload.name = absl::StrCat(entry.metadata().name(), "-", i);
    common.endpoints.push_back(std::move(workload));
  }
  std::vector<ServiceDefinition> definitions;
  for (int i = 0; i < spec.hosts_size(); ++i) {
    KITH_RETURN_IF_ERROR(CheckHost(absl::StrCat("spec.hosts[", i, "]"), spec.hosts(i), name_space));
    definitions.push_back(common);
    definitions.back().host = spec.hosts(i);
    if (!by_name || !spec.endpoints().empty()) continue;
    StaticWorkload itself;
    itself.name_space = name_space;
    itself.name = entry.metadata().name();
    itself.dns_name = spec.hosts(i);
    definitions.back().endpoints.push_back(std::move(itself));
  }
  return definitions;
}

absl::StatusOr<StaticWorkload> FromWorkloadEntry(const networking::v1::WorkloadEntry& entry) {
  KITH_ASSIGN_OR_RETURN(StaticWorkload workload, FromSpec(entry.spec(), "spec", Names::kRefused));
  workload.name_space = entry.metadata().namespace_();
  workload.name = entry.metadata().name();
  return workload;
}

}  // namespace kith::controlplane
