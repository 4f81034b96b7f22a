// From the registry's documents and the connected workloads to the resources that sidecars receive.
// Pure: no I/O, no clock; equal inputs, what locality_of answers among them, give equal bytes.
// Threads: one. Owns: copies of what it was told.
// Errors: a PeerAuthentication conflict between documents that select the same workload cannot be
// seen before that workload is known: it gets STRICT, and WorkloadView says so in `problem`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/controlplane/distribution/workload.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/controlplane/registry/placed_endpoints.h"

namespace kith::controlplane {

struct MeshOptions {
  std::string trust_domain = "cluster.local";
  std::vector<std::string> trust_domain_aliases;
  std::string root_namespace = "istio-system";
  mesh::v1::PathNormalization path_normalization = mesh::v1::DECODE_AND_MERGE_SLASHES;
  // The locality of a workload whose labels say none; empty when it is not known. Null: it never
  // is.
  std::function<std::string(const std::string& name_space, const std::string& name)> locality_of =
      nullptr;
};

class MeshBuilder {
 public:
  explicit MeshBuilder(MeshOptions options);

  void SetState(std::shared_ptr<const MeshState> state);
  // Who serves the cluster's Services, in place of whom their selectors find.
  void SetPlaced(std::shared_ptr<const PlacedEndpoints> placed);
  // Adds or replaces the endpoint-bearing workload of this namespace and name.
  void SetWorkload(const Workload& workload);
  void RemoveWorkload(const std::string& name_space, const std::string& name);

  struct WorkloadView {
    mesh::v1::WorkloadConfig config;
    absl::Status problem;
  };
  WorkloadView ConfigOf(const Workload& workload) const;
  // Nothing when no document defines the host, or, for an IP address, when it belongs to no service
  // and to no workload that is captured.
  std::optional<mesh::v1::Service> ServiceOf(const std::string& name) const;

 private:
  using Mode = security::v1::PeerAuthenticationSpec::MutualTLS::Mode;
  struct Modes {
    Mode mode = security::v1::PeerAuthenticationSpec::MutualTLS::STRICT;
    std::map<uint32_t, Mode> ports;
    absl::Status problem;

    Mode For(uint32_t port) const;
  };
  struct Known {
    Workload workload;
    Modes modes;
  };

  Modes ModesOf(const std::string& name_space, const Labels& labels) const;
  mesh::v1::Service ServiceFor(const ServiceDefinition& definition) const;
  // The workload that has the address: a proven claim wins, several of one rank cancel out.
  const Known* WorkloadAt(const std::string& ip) const;
  mesh::v1::Service CapturedService(const std::string& ip, const Known& known) const;
  // Null when no rule holds for it.
  const TrafficRule* RuleOf(const ServiceDefinition& definition) const;
  // The workload's port of each of the service's; those that are not known are left out.
  using Targets = std::map<uint32_t, uint32_t>;
  void AddSelected(const ServiceDefinition& definition, mesh::v1::Service& service) const;
  // WorkloadEntries that the service selects; not those at `placed` addresses.
  void AddSelectedEntries(const ServiceDefinition& definition, const std::set<std::string>& placed,
                          mesh::v1::Service& service) const;
  void AddPlaced(const ServiceDefinition& definition, const std::vector<PlacedEndpoint>& endpoints,
                 mesh::v1::Service& service) const;
  // The connected workload of an endpoint: by its address, else by its pod's name.
  const Known* KnownAt(const std::string& name_space, const PlacedEndpoint& endpoint) const;
  void AddConnected(const ServiceDefinition& definition, const Targets& targets, const Known& known,
                    mesh::v1::Service& service) const;
  void AddStatic(const ServiceDefinition& definition, const Targets& targets,
                 const StaticWorkload& workload, mesh::v1::Service& service) const;

  std::string WhereIs(const Workload& workload) const;
  std::string WhereIs(const StaticWorkload& workload) const;

  const MeshOptions options_;
  std::shared_ptr<const MeshState> state_;
  std::shared_ptr<const PlacedEndpoints> placed_;
  std::map<std::string, std::map<std::string, Known>> workloads_;  // By namespace and name.
  std::map<std::string, std::string> hosts_by_address_;            // Of state_.
  // Of state_, by namespace and address.
  std::map<std::pair<std::string, std::string>, const StaticWorkload*> entries_by_address_;
  // Who claims an address: namespace and name.
  std::map<std::string, std::set<std::pair<std::string, std::string>>> claims_;
};

}  // namespace kith::controlplane
