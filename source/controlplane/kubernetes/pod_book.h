// The cluster's pods, as far as a token that names one is compared with them: which service account
// and addresses each has.
// Threads: any. Owns: a few words a pod. Errors: of the checks, below.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/ca/token_verifier.h"
#include "source/controlplane/kubernetes/object_book.h"

namespace kith::controlplane {

struct KnownPod {
  std::string uid, service_account, node;
  std::vector<std::string> ips;
  bool host_network = false;  // Its addresses are the node's, which it shares.
};

class PodBook final : public ObjectBook<KnownPod> {
 public:
  PodBook();

  // The name of the node that the pod is on; empty when that is not known.
  std::string NodeOf(const std::string& name_space, const std::string& pod) const;

  // UNAUTHENTICATED unless the pod that `caller` names is there, runs as the caller's service
  // account and has that uid. A token of a pod that is gone is worth nothing.
  absl::Status CheckOwner(const Caller& caller, absl::string_view uid) const;
  // PERMISSION_DENIED unless `name` is that of the pod that `caller` names.
  static absl::Status CheckName(const Caller& caller, absl::string_view name);
  // Whether all of `addresses` are the pod's that `caller` names. A pod that is not known here, or
  // has no addresses yet, may only say `peer_ip`, where its connection comes from: UNAVAILABLE for
  // others, as the API may tell of them in a moment. PERMISSION_DENIED for another pod's addresses.
  absl::Status CheckAddresses(const Caller& caller, const std::vector<std::string>& addresses,
                              absl::string_view peer_ip) const;
};

// Tokens that `inner` proves without asking the cluster: a pod that one names must be there.
class PodBindingVerifier final : public TokenVerifier {
 public:
  PodBindingVerifier(const TokenVerifier& inner, const PodBook& pods)
      : inner_(inner), pods_(pods) {}
  absl::StatusOr<Caller> Verify(absl::string_view token) const override;

 private:
  const TokenVerifier& inner_;
  const PodBook& pods_;
};

}  // namespace kith::controlplane
