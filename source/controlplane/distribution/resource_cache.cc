#include "source/controlplane/distribution/resource_cache.h"

#include <utility>

namespace kith::controlplane {
namespace {

// Hosts that nobody defines are remembered too, and clients choose which they ask for.
constexpr size_t kMaxCachedHosts = 100'000;

}  // namespace

ResourceCache::ResourceCache(MeshOptions options)
    : trust_domain_(options.trust_domain), builder_(std::move(options)) {}

void ResourceCache::SetState(std::shared_ptr<const MeshState> state) {
  builder_.SetState(std::move(state));
  services_.clear();
  ++config_epoch_;
}

void ResourceCache::SetPlaced(std::shared_ptr<const PlacedEndpoints> placed) {
  builder_.SetPlaced(std::move(placed));
  services_.clear();
}

void ResourceCache::SetWorkload(const Workload& workload) {
  builder_.SetWorkload(workload);
  services_.clear();
}

void ResourceCache::RemoveWorkload(const std::string& name_space, const std::string& name) {
  builder_.RemoveWorkload(name_space, name);
  services_.clear();
}

void ResourceCache::SetTrustBundle(mesh::v1::TrustBundle bundle) {
  bundle.set_trust_domain(trust_domain_);
  bundle.mutable_crls()->Swap(trust_bundle_.mutable_crls());
  trust_bundle_ = std::move(bundle);
  bundle_ = Encode(trust_bundle_);
}

void ResourceCache::SetCrls(std::vector<std::string> crls) {
  trust_bundle_.clear_crls();
  for (std::string& crl : crls) trust_bundle_.add_crls(std::move(crl));
  // Without roots there is no bundle yet.
  if (bundle_ != nullptr) bundle_ = Encode(trust_bundle_);
}

void ResourceCache::SetFederatedBundles(const std::vector<mesh::v1::TrustBundle>& bundles) {
  federated_.clear();
  for (const mesh::v1::TrustBundle& bundle : bundles) {
    if (bundle.trust_domain() != trust_domain_) federated_[bundle.trust_domain()] = Encode(bundle);
  }
}

ResourceCache::Config ResourceCache::WorkloadConfig(const Workload& workload) const {
  MeshBuilder::WorkloadView view = builder_.ConfigOf(workload);
  return {Encode(view.config), std::move(view.problem)};
}

ResourceCache::Resource ResourceCache::Service(const std::string& host) {
  const auto cached = services_.find(host);
  if (cached != services_.end()) return cached->second;
  if (services_.size() >= kMaxCachedHosts) services_.clear();
  const auto service = builder_.ServiceOf(host);
  return services_[host] = service.has_value() ? Encode(*service) : nullptr;
}

ResourceCache::Resource ResourceCache::TrustBundle(const std::string& trust_domain) const {
  if (trust_domain == trust_domain_) return bundle_;
  const auto found = federated_.find(trust_domain);
  return found == federated_.end() ? nullptr : found->second;
}

std::vector<std::string> ResourceCache::TrustDomains() const {
  std::vector<std::string> domains;
  if (bundle_ != nullptr) domains.push_back(trust_domain_);
  for (const auto& [trust_domain, bundle] : federated_) domains.push_back(trust_domain);
  return domains;
}

}  // namespace kith::controlplane
