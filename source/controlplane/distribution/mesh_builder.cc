#include "source/controlplane/distribution/mesh_builder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/ip.h"
#include "source/controlplane/distribution/http2_ports.h"
#include "source/controlplane/distribution/workload_rules.h"
#include "source/controlplane/registry/locality.h"
#include "source/policy/peer_authentication.h"
#include "source/policy/select.h"
#include "source/policy/trust_policy.h"

namespace kith::controlplane {
namespace {

using MutualTLS = security::v1::PeerAuthenticationSpec::MutualTLS;

mesh::v1::ServicePort::Protocol ToProto(PortProtocol protocol) {
  switch (protocol) {
    case PortProtocol::kHttp:
      return mesh::v1::ServicePort::HTTP;
    case PortProtocol::kHttp2:
      return mesh::v1::ServicePort::HTTP2;
    case PortProtocol::kTcp:
      break;
  }
  return mesh::v1::ServicePort::TCP;
}

mesh::v1::InBandTls ToProto(InBandTls in_band) {
  switch (in_band) {
    case InBandTls::kPostgresql:
      return mesh::v1::POSTGRESQL;
    case InBandTls::kMysql:
      return mesh::v1::MYSQL;
    case InBandTls::kNone:
      break;
  }
  return mesh::v1::IN_BAND_TLS_UNSPECIFIED;
}

std::string PrincipalOf(absl::string_view trust_domain, absl::string_view name_space,
                        absl::string_view service_account) {
  return absl::StrCat("spiffe://", trust_domain, "/ns/", name_space, "/sa/", service_account);
}

// Where its service is reached: the address that its stream comes from, if that is one of them.
const std::string& MainAddress(const Workload& workload) {
  for (const auto& [ip, proven] : workload.captured) {
    if (proven) return ip;
  }
  return workload.captured.begin()->first;
}

// The endpoint's default is mutual; ports are listed only where they differ, unless all do.
void SetPortTls(const std::vector<uint32_t>& plaintext_ports, mesh::v1::Endpoint& endpoint) {
  const bool all = plaintext_ports.size() == static_cast<size_t>(endpoint.addresses_size());
  endpoint.set_tls(all ? mesh::v1::Endpoint::PLAINTEXT : mesh::v1::Endpoint::MUTUAL);
  if (all) return;
  for (const uint32_t port : plaintext_ports) {
    (*endpoint.mutable_port_tls())[port] = mesh::v1::Endpoint::PLAINTEXT;
  }
}

// What a DestinationRule's tls says in place of what each endpoint accepts.
void ApplyTls(const TrafficRule& rule, mesh::v1::Service& service) {
  for (mesh::v1::Endpoint& endpoint : *service.mutable_endpoints()) {
    std::vector<uint32_t> plaintext_ports;
    const auto addresses = endpoint.addresses();
    for (const auto& [port, address] : addresses) {
      const auto own = endpoint.port_tls().find(port);
      bool plaintext = (own == endpoint.port_tls().end() ? endpoint.tls() : own->second) ==
                       mesh::v1::Endpoint::PLAINTEXT;
      const ClientTls wanted = rule.For(port).tls;
      // What TLS a server outside the mesh gets is said once for the port.
      if (wanted == ClientTls::kDisable || wanted == ClientTls::kOriginate) plaintext = true;
      if (wanted == ClientTls::kMutual) {
        plaintext = false;
        // Nobody could tell whether the right one answers.
        if (endpoint.principal().empty() && service.subject_alt_names().empty()) {
          endpoint.mutable_addresses()->erase(port);
          continue;
        }
      }
      if (plaintext) plaintext_ports.push_back(port);
    }
    endpoint.clear_port_tls();
    SetPortTls(plaintext_ports, endpoint);
  }
  auto& endpoints = *service.mutable_endpoints();
  for (int i = endpoints.size() - 1; i >= 0; --i) {
    if (endpoints[i].addresses().empty()) endpoints.DeleteSubrange(i, 1);
  }
}

// Unless a rule has chosen how to choose.
void ChooseByClient(networking::v1::TrafficPolicy& policy) {
  networking::v1::LoadBalancerSettings& balancer = *policy.mutable_load_balancer();
  const bool chosen = balancer.has_consistent_hash() ||
                      balancer.simple() != networking::v1::LoadBalancerSettings::UNSPECIFIED;
  if (!chosen) balancer.mutable_consistent_hash()->set_use_source_ip(true);
}

std::map<uint32_t, uint32_t> TargetsOf(const ServiceDefinition& definition) {
  std::map<uint32_t, uint32_t> targets;
  for (const PortDefinition& port : definition.ports) {
    if (port.target_port != 0) targets[port.number] = port.target_port;
  }
  return targets;
}

}  // namespace

MeshBuilder::MeshBuilder(MeshOptions options)
    : options_(std::move(options)),
      state_(std::make_shared<MeshState>()),
      placed_(std::make_shared<PlacedEndpoints>()) {}

void MeshBuilder::SetPlaced(std::shared_ptr<const PlacedEndpoints> placed) {
  placed_ = std::move(placed);
}

void MeshBuilder::SetState(std::shared_ptr<const MeshState> state) {
  state_ = std::move(state);
  hosts_by_address_.clear();
  for (const auto& [host, definition] : state_->services) {
    // Of two services that claim one address, the first by name has it, always.
    for (const std::string& address : definition.addresses)
      hosts_by_address_.emplace(address, host);
  }
  entries_by_address_.clear();
  for (const auto& [name_space, entries] : state_->workload_entries) {
    for (const StaticWorkload& entry : entries) {
      entries_by_address_.emplace(std::pair(name_space, entry.ip), &entry);
    }
  }
  for (auto& [name_space, workloads] : workloads_) {
    for (auto& [name, known] : workloads) known.modes = ModesOf(name_space, known.workload.labels);
  }
}

void MeshBuilder::SetWorkload(const Workload& workload) {
  RemoveWorkload(workload.name_space, workload.name);
  for (const auto& [ip, proven] : workload.captured) {
    claims_[ip].emplace(workload.name_space, workload.name);
  }
  workloads_[workload.name_space][workload.name] =
      Known{workload, ModesOf(workload.name_space, workload.labels)};
}

void MeshBuilder::RemoveWorkload(const std::string& name_space, const std::string& name) {
  const auto found = workloads_.find(name_space);
  if (found == workloads_.end()) return;
  const auto known = found->second.find(name);
  if (known == found->second.end()) return;
  for (const auto& [ip, proven] : known->second.workload.captured) {
    const auto claims = claims_.find(ip);
    claims->second.erase({name_space, name});
    if (claims->second.empty()) claims_.erase(claims);
  }
  found->second.erase(known);
  if (found->second.empty()) workloads_.erase(found);
}

MeshBuilder::Mode MeshBuilder::Modes::For(uint32_t port) const {
  const auto found = ports.find(port);
  return found == ports.end() ? mode : found->second;
}

MeshBuilder::Modes MeshBuilder::ModesOf(const std::string& name_space, const Labels& labels) const {
  Modes modes;
  const policy::Labels wanted(labels.begin(), labels.end());
  const auto resolved = policy::ResolvePeerAuthentication(
      state_->peer_authentications, {options_.root_namespace, name_space, wanted});
  if (!resolved.ok()) {
    modes.problem = resolved.status();
    return modes;
  }
  modes.mode = resolved->mode;
  modes.ports.insert(resolved->port_modes.begin(), resolved->port_modes.end());
  return modes;
}

std::string MeshBuilder::WhereIs(const Workload& workload) const {
  std::string locality = LocalityOf(workload.labels);
  if (!locality.empty() || options_.locality_of == nullptr) return locality;
  return options_.locality_of(workload.name_space, workload.name);
}

std::string MeshBuilder::WhereIs(const StaticWorkload& workload) const {
  if (!workload.locality.empty() || options_.locality_of == nullptr) return workload.locality;
  return options_.locality_of(workload.name_space, workload.name);
}

MeshBuilder::WorkloadView MeshBuilder::ConfigOf(const Workload& workload) const {
  WorkloadView view;
  mesh::v1::WorkloadConfig& config = view.config;
  config.set_trust_domain(options_.trust_domain);
  for (const std::string& alias : options_.trust_domain_aliases) {
    config.add_trust_domain_aliases(alias);
  }
  config.set_root_namespace(options_.root_namespace);
  config.set_path_normalization(options_.path_normalization);
  config.set_locality(WhereIs(workload));
  for (const uint32_t port : Http2PortsOf(workload, *state_, *placed_)) {
    config.add_http2_ports(port);
  }

  const Modes modes = ModesOf(workload.name_space, workload.labels);
  view.problem = modes.problem;
  config.set_mtls_mode(modes.mode);
  for (const auto& [port, mode] : modes.ports) (*config.mutable_port_mtls_modes())[port] = mode;

  const policy::Labels labels(workload.labels.begin(), workload.labels.end());
  const policy::Workload target{options_.root_namespace, workload.name_space, labels};
  for (const auto* policy : policy::SelectTrustPolicies(state_->trust_policies, target)) {
    // What matters of it: what a person writes beside it must not make a new version.
    trust::v1::TrustPolicy& copy = *config.add_trust_policies();
    copy.mutable_metadata()->set_name(policy->metadata().name());
    copy.mutable_metadata()->set_namespace_(policy->metadata().namespace_());
    *copy.mutable_spec() = policy->spec();
  }
  std::vector<const security::v1::AuthorizationPolicy*> selected;
  for (const security::v1::AuthorizationPolicy& policy : state_->authorization_policies) {
    if (policy::Selects(policy, {options_.root_namespace, workload.name_space, labels})) {
      selected.push_back(&policy);
    }
  }
  // The order of files must not show: it would make a new version of equal content.
  std::sort(selected.begin(), selected.end(), [](const auto* a, const auto* b) {
    return std::pair(a->metadata().namespace_(), a->metadata().name()) <
           std::pair(b->metadata().namespace_(), b->metadata().name());
  });
  for (const security::v1::AuthorizationPolicy* policy : selected) {
    security::v1::AuthorizationPolicy& copy = *config.add_authorization_policies();
    copy.mutable_metadata()->set_name(policy->metadata().name());
    copy.mutable_metadata()->set_namespace_(policy->metadata().namespace_());
    *copy.mutable_spec() = policy->spec();
    // Of the annotations the one that means something: without it the policy would be enforced.
    constexpr char kDryRun[] = "istio.io/dry-run";
    const auto dry_run = policy->metadata().annotations().find(kDryRun);
    if (dry_run == policy->metadata().annotations().end()) continue;
    (*copy.mutable_metadata()->mutable_annotations())[kDryRun] = dry_run->second;
  }
  AddRules(*state_, {options_.root_namespace, workload.name_space, labels}, config);
  return view;
}

void MeshBuilder::AddConnected(const ServiceDefinition& definition, const Targets& targets,
                               const Known& known, mesh::v1::Service& service) const {
  const Workload& workload = known.workload;
  mesh::v1::Endpoint endpoint;
  std::vector<uint32_t> plaintext_ports;
  for (const PortDefinition& port : definition.ports) {
    const auto target = targets.find(port.number);
    if (target == targets.end()) continue;
    const auto address = workload.inbound.find(target->second);
    if (address != workload.inbound.end()) {
      (*endpoint.mutable_addresses())[port.number] = address->second;
    } else if (!workload.captured.empty()) {
      (*endpoint.mutable_addresses())[port.number] =
          base::JoinHostPort(MainAddress(workload), target->second);
    } else {
      continue;
    }
    if (known.modes.For(target->second) == MutualTLS::DISABLE) {
      plaintext_ports.push_back(port.number);
    }
  }
  if (endpoint.addresses().empty()) return;
  endpoint.set_workload(absl::StrCat(workload.name_space, "/", workload.name));
  endpoint.set_principal(
      PrincipalOf(options_.trust_domain, workload.name_space, workload.service_account));
  endpoint.set_locality(WhereIs(workload));
  SetPortTls(plaintext_ports, endpoint);
  *service.add_endpoints() = std::move(endpoint);
}

void MeshBuilder::AddStatic(const ServiceDefinition& definition, const Targets& targets,
                            const StaticWorkload& workload, mesh::v1::Service& service) const {
  mesh::v1::Endpoint endpoint;
  const Modes modes = ModesOf(workload.name_space, workload.labels);
  std::vector<uint32_t> plaintext_ports;
  for (const PortDefinition& port : definition.ports) {
    const auto named = workload.ports.find(port.name);
    const auto usual = targets.find(port.number);
    if (named == workload.ports.end() && usual == targets.end()) continue;
    const uint32_t target = named == workload.ports.end() ? usual->second : named->second;
    (*endpoint.mutable_addresses())[port.number] = base::JoinHostPort(workload.ip, target);
    if (!workload.has_sidecar || modes.For(target) == MutualTLS::DISABLE) {
      plaintext_ports.push_back(port.number);
    }
  }
  if (endpoint.addresses().empty()) return;
  endpoint.set_workload(absl::StrCat(workload.name_space, "/", workload.name));
  if (!workload.service_account.empty()) {
    endpoint.set_principal(
        PrincipalOf(options_.trust_domain, workload.name_space, workload.service_account));
  }
  endpoint.set_weight(workload.weight);
  endpoint.set_locality(WhereIs(workload));
  SetPortTls(plaintext_ports, endpoint);
  *service.add_endpoints() = std::move(endpoint);
}

const MeshBuilder::Known* MeshBuilder::WorkloadAt(const std::string& ip) const {
  const auto claims = claims_.find(ip);
  if (claims == claims_.end()) return nullptr;
  const Known* by_rank[2] = {};
  size_t count[2] = {};
  for (const auto& [name_space, name] : claims->second) {
    const Known& known = workloads_.at(name_space).at(name);
    const size_t proven = known.workload.captured.at(ip) ? 1 : 0;
    by_rank[proven] = &known;
    ++count[proven];
  }
  const size_t rank = count[1] > 0 ? 1 : 0;
  return count[rank] == 1 ? by_rank[rank] : nullptr;
}

mesh::v1::Service MeshBuilder::CapturedService(const std::string& ip, const Known& known) const {
  const Workload& workload = known.workload;
  mesh::v1::Service service;
  service.set_host(ip);
  service.set_namespace_(workload.name_space);
  mesh::v1::CapturedWorkload& captured = *service.mutable_captured_workload();
  captured.set_workload(absl::StrCat(workload.name_space, "/", workload.name));
  captured.set_principal(
      PrincipalOf(options_.trust_domain, workload.name_space, workload.service_account));
  const auto tls = [](Mode mode) {
    return mode == MutualTLS::DISABLE ? mesh::v1::Endpoint::PLAINTEXT : mesh::v1::Endpoint::MUTUAL;
  };
  captured.set_tls(tls(known.modes.mode));
  for (const auto& [port, mode] : known.modes.ports) {
    if (tls(mode) != captured.tls()) (*captured.mutable_port_tls())[port] = tls(mode);
  }
  return service;
}

std::optional<mesh::v1::Service> MeshBuilder::ServiceOf(const std::string& name) const {
  const auto address = hosts_by_address_.find(name);
  const auto found =
      state_->services.find(address == hosts_by_address_.end() ? name : address->second);
  if (found != state_->services.end()) return ServiceFor(found->second);
  const Known* const known = WorkloadAt(name);
  if (known == nullptr) return std::nullopt;
  return CapturedService(name, *known);
}

const TrafficRule* MeshBuilder::RuleOf(const ServiceDefinition& definition) const {
  const auto found = state_->traffic_rules.find(definition.host);
  // Whoever may write into one namespace has no say over another's services.
  if (found == state_->traffic_rules.end() || found->second.name_space != definition.name_space) {
    return nullptr;
  }
  return &found->second;
}

mesh::v1::Service MeshBuilder::ServiceFor(const ServiceDefinition& definition) const {
  const TrafficRule* rule = RuleOf(definition);
  mesh::v1::Service service;
  service.set_host(definition.host);
  service.set_namespace_(definition.name_space);
  for (const PortDefinition& port : definition.ports) {
    mesh::v1::ServicePort& added = *service.add_ports();
    added.set_number(port.number);
    added.set_name(port.name);
    added.set_protocol(ToProto(port.protocol));
    if (rule != nullptr) *added.mutable_traffic_policy() = rule->For(port.number).policy;
    if (definition.client_ip_affinity) ChooseByClient(*added.mutable_traffic_policy());
    if (rule == nullptr) continue;
    const TrafficRule::Settings& settings = rule->For(port.number);
    if (settings.tls != ClientTls::kOriginate) continue;
    *added.mutable_origination() = settings.origination;
    added.set_in_band_tls(ToProto(port.in_band_tls));
  }
  for (const std::string& name : definition.subject_alt_names) service.add_subject_alt_names(name);
  for (const StaticWorkload& workload : definition.endpoints) {
    AddStatic(definition, TargetsOf(definition), workload, service);
  }
  const auto placed = placed_->find(definition.host);
  if (placed == placed_->end()) {
    AddSelected(definition, service);
  } else {
    AddPlaced(definition, placed->second, service);
  }
  if (rule != nullptr) ApplyTls(*rule, service);
  return service;
}

void MeshBuilder::AddSelected(const ServiceDefinition& definition,
                              mesh::v1::Service& service) const {
  if (definition.selector.empty()) return;
  const auto connected = workloads_.find(definition.name_space);
  if (connected != workloads_.end()) {
    for (const auto& [name, known] : connected->second) {
      if (Matches(definition.selector, known.workload.labels)) {
        AddConnected(definition, TargetsOf(definition), known, service);
      }
    }
  }
  AddSelectedEntries(definition, {}, service);
}

void MeshBuilder::AddSelectedEntries(const ServiceDefinition& definition,
                                     const std::set<std::string>& placed,
                                     mesh::v1::Service& service) const {
  const auto connected = workloads_.find(definition.name_space);
  const auto entries = state_->workload_entries.find(definition.name_space);
  if (entries != state_->workload_entries.end()) {
    for (const StaticWorkload& workload : entries->second) {
      if (!Matches(definition.selector, workload.labels) || placed.contains(workload.ip)) continue;
      // The workload speaks for itself once its sidecar is connected.
      if (connected != workloads_.end() && connected->second.contains(workload.name)) continue;
      AddStatic(definition, TargetsOf(definition), workload, service);
    }
  }
}

const MeshBuilder::Known* MeshBuilder::KnownAt(const std::string& name_space,
                                               const PlacedEndpoint& endpoint) const {
  const Known* const at = WorkloadAt(endpoint.ip);
  if (at != nullptr && at->workload.name_space == name_space) return at;
  const auto workloads = workloads_.find(name_space);
  if (endpoint.pod.empty() || workloads == workloads_.end()) return nullptr;
  const auto named = workloads->second.find(endpoint.pod);
  return named == workloads->second.end() ? nullptr : &named->second;
}

void MeshBuilder::AddPlaced(const ServiceDefinition& definition,
                            const std::vector<PlacedEndpoint>& endpoints,
                            mesh::v1::Service& service) const {
  std::set<std::string> placed, pods;
  for (const PlacedEndpoint& endpoint : endpoints) {
    placed.insert(endpoint.ip);
    if (!endpoint.serves) continue;
    // The other family of a pod that has two.
    if (!endpoint.pod.empty() && !pods.insert(endpoint.pod).second) continue;
    Targets targets;
    for (const PortDefinition& port : definition.ports) {
      const auto target = endpoint.ports.find(port.name);
      if (target != endpoint.ports.end()) targets[port.number] = target->second;
    }
    if (const Known* known = KnownAt(definition.name_space, endpoint); known != nullptr) {
      AddConnected(definition, targets, *known, service);
      continue;
    }
    StaticWorkload workload;
    workload.name_space = definition.name_space;
    workload.name = endpoint.ip;
    workload.ip = endpoint.ip;
    // A pod without a sidecar, of which more is known. One with a sidecar that is not connected is
    // left out: nobody could tell whether the right one answers.
    const auto entry = entries_by_address_.find({definition.name_space, endpoint.ip});
    if (entry != entries_by_address_.end()) {
      AddStatic(definition, targets, *entry->second, service);
    } else if (endpoint.pod.empty()) {
      AddStatic(definition, targets, workload, service);
    }
  }
  // Machines outside of the cluster that a WorkloadEntry describes.
  if (!definition.selector.empty()) AddSelectedEntries(definition, placed, service);
}

}  // namespace kith::controlplane
