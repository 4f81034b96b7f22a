// What `kithctl authz lint` would say of an AuthorizationPolicy that is about to be in force,
// beside those that are. Threads: any; LatestMesh is written on the loop and read anywhere. Owns: a
// LatestMesh, the state. Errors: none; they are findings.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kith/security/v1/authorization_policy.pb.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/policy/policy_set.h"

namespace kith::controlplane {

// The registry's newest state, for threads other than the loop's.
class LatestMesh {
 public:
  void Set(std::shared_ptr<const MeshState> state) {
    const std::lock_guard<std::mutex> lock(mutex_);
    state_ = std::move(state);
  }
  std::shared_ptr<const MeshState> Get() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return state_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const MeshState> state_ = std::make_shared<MeshState>();
};

struct PolicyReview {
  std::vector<std::string> errors;  // Any refuses the policy.
  std::vector<std::string> warnings;
};

// "spec.rules[0].from[0].source: shadowed: what; what to do".
PolicyReview ReviewPolicy(const security::v1::AuthorizationPolicy& policy, const MeshState& mesh,
                          const policy::PolicySet::Options& options,
                          const std::vector<std::string>& federated_trust_domains);

}  // namespace kith::controlplane
