#include "source/controlplane/distribution/workload_rules.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/base/ip.h"

namespace kith::controlplane {
namespace {

using security::v1::AuthorizationPolicySpec;

template <typename Policy>
bool Selects(const Policy& policy, const policy::Workload& workload) {
  const absl::string_view own = policy::NamespaceOf(policy.metadata());
  return (own == workload.root_namespace || own == workload.name_space) &&
         policy::SelectsLabels(policy.spec().selector(), workload.labels);
}

bool IsForGateways(const security::v1::RequestAuthentication& policy) {
  return policy.spec().has_target_ref() || policy.spec().target_refs_size() > 0;
}
bool IsForGateways(const ratelimit::v1::RateLimitPolicy&) { return false; }

// Copies what selects the workload, by name: the order of files must not show, for it would make a
// new version of equal content.
template <typename Policy>
void CopySelected(const std::vector<Policy>& policies, const policy::Workload& workload,
                  google::protobuf::RepeatedPtrField<Policy>& out) {
  std::vector<const Policy*> selected;
  for (const Policy& policy : policies) {
    if (!IsForGateways(policy) && Selects(policy, workload)) selected.push_back(&policy);
  }
  std::sort(selected.begin(), selected.end(), [](const Policy* a, const Policy* b) {
    return std::pair(a->metadata().namespace_(), a->metadata().name()) <
           std::pair(b->metadata().namespace_(), b->metadata().name());
  });
  for (const Policy* policy : selected) {
    Policy& copy = *out.Add();
    copy.mutable_metadata()->set_name(policy->metadata().name());
    copy.mutable_metadata()->set_namespace_(policy->metadata().namespace_());
    *copy.mutable_spec() = policy->spec();
  }
}

// Where `host` answers on its port `number`: as the registry lists it, else the name itself, which
// may be an address.
std::vector<std::string> AddressesOf(const MeshState& state, std::string host, uint32_t number) {
  if (const size_t slash = host.find('/'); slash != std::string::npos) host.erase(0, slash + 1);
  const auto found = state.services.find(host);
  if (found == state.services.end()) return {base::JoinHostPort(host, number)};
  std::vector<std::string> addresses;
  for (const PortDefinition& port : found->second.ports) {
    if (port.number != number) continue;
    if (port.target_port == 0) continue;
    for (const StaticWorkload& endpoint : found->second.endpoints) {
      const auto named = endpoint.ports.find(port.name);
      addresses.push_back(base::JoinHostPort(
          endpoint.ip, named == endpoint.ports.end() ? port.target_port : named->second));
    }
  }
  return addresses;
}

void AddProviders(const MeshState& state, mesh::v1::WorkloadConfig& config) {
  std::set<std::string> named;
  for (const security::v1::AuthorizationPolicy& policy : config.authorization_policies()) {
    if (policy.spec().action() == AuthorizationPolicySpec::CUSTOM) {
      named.insert(policy.spec().provider().name());
    }
  }
  for (const std::string& name : named) {
    for (const meshconfig::v1::ExtensionProvider& provider : state.rulebook.extension_providers) {
      if (provider.name() != name) continue;
      mesh::v1::ExtensionProvider& added = *config.add_extension_providers();
      *added.mutable_provider() = provider;
      const bool grpc = provider.has_envoy_ext_authz_grpc();
      for (const std::string& address :
           grpc ? AddressesOf(state, provider.envoy_ext_authz_grpc().service(),
                              provider.envoy_ext_authz_grpc().port())
                : AddressesOf(state, provider.envoy_ext_authz_http().service(),
                              provider.envoy_ext_authz_http().port())) {
        added.add_addresses(address);
      }
    }
  }
}

}  // namespace

void AddRules(const MeshState& state, const policy::Workload& workload,
              mesh::v1::WorkloadConfig& config) {
  CopySelected(state.rulebook.request_authentications, workload,
               *config.mutable_request_authentications());
  CopySelected(state.rulebook.rate_limit_policies, workload, *config.mutable_rate_limit_policies());
  AddProviders(state, config);
}

}  // namespace kith::controlplane
