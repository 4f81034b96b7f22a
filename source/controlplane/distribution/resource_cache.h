// The resources as they are at this moment, each encoded once for all its subscribers.
// Threads: one. Owns: the builder and the encoded resources.
// Errors: none but a workload's configuration problem, see mesh_builder.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/controlplane/distribution/mesh_builder.h"
#include "source/controlplane/distribution/resource.h"

namespace kith::controlplane {

class ResourceCache {
 public:
  using Resource = std::shared_ptr<const EncodedResource>;

  explicit ResourceCache(MeshOptions options);

  void SetState(std::shared_ptr<const MeshState> state);
  void SetPlaced(std::shared_ptr<const PlacedEndpoints> placed);
  void SetWorkload(const Workload& workload);
  void RemoveWorkload(const std::string& name_space, const std::string& name);
  // Of the own trust domain, whose name is filled in here.
  void SetTrustBundle(mesh::v1::TrustBundle bundle);
  // Its certificate revocation lists, DER.
  void SetCrls(std::vector<std::string> crls);
  // Those of all other trust domains.
  void SetFederatedBundles(const std::vector<mesh::v1::TrustBundle>& bundles);

  // Grows when a WorkloadConfig may have become another one.
  uint64_t config_epoch() const { return config_epoch_; }

  struct Config {
    Resource resource;
    absl::Status problem;
  };
  Config WorkloadConfig(const Workload& workload) const;
  Resource Service(const std::string& host);
  Resource TrustBundle(const std::string& trust_domain) const;
  std::vector<std::string> TrustDomains() const;

 private:
  const std::string trust_domain_;
  MeshBuilder builder_;
  uint64_t config_epoch_ = 1;
  absl::flat_hash_map<std::string, Resource> services_;  // Null: no such host.
  mesh::v1::TrustBundle trust_bundle_;
  Resource bundle_;
  std::map<std::string, Resource> federated_;  // By trust domain.
};

}  // namespace kith::controlplane
