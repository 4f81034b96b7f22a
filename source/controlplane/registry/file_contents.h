// One registry file, decoded and checked as a whole: either all of its documents are good or the
// file is bad. Threads: pure. Owns: FileContents is immutable once made and shared. Errors:
// "FILE:LINE: KIND NAMESPACE/NAME: FIELD: what is wrong". UNIMPLEMENTED for kinds and fields that
// this version does not enforce: they are refused, never ignored.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/policy/policy_set.h"

namespace kith::controlplane {

// Something that one document of the whole registry may have: a kind with namespace and name, or a
// host.
struct Claim {
  std::string what;  // "Service demo/backend" or "host backend.demo.svc.cluster.local".
  int line = 0;
};

struct FileContents {
  std::vector<security::v1::AuthorizationPolicy> authorization_policies;
  std::vector<security::v1::PeerAuthentication> peer_authentications;
  std::vector<trust::v1::TrustPolicy> trust_policies;
  Rulebook rulebook;
  std::vector<ServiceDefinition> services;
  std::vector<TrafficRule> traffic_rules;
  std::vector<StaticWorkload> workload_entries;
  std::vector<Claim> claims;
  std::map<std::string, int> kinds;  // How many documents of each kind.
};

absl::StatusOr<std::shared_ptr<const FileContents>> DecodeFile(
    absl::string_view text, const std::string& file, const policy::PolicySet::Options& policy);

}  // namespace kith::controlplane
