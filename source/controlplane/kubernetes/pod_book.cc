#include "source/controlplane/kubernetes/pod_book.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"
#include "source/jwt/token.h"
#include "source/kubernetes/json_read.h"

namespace kith::controlplane {
namespace {

using kubernetes::Find;
using kubernetes::Text;

absl::Status Refused(absl::string_view why) {
  return Refuse(absl::StatusCode::kUnauthenticated, Refusal::kTokenSubject,
                absl::StrCat("token: ", why));
}

KnownPod Read(const PodBook::Json& pod) {
  const PodBook::Json* spec = Find(&pod, "spec");
  const PodBook::Json* status = Find(&pod, "status");
  KnownPod read;
  read.uid = Text(Find(&pod, "metadata"), "uid");
  read.service_account = Text(spec, "serviceAccountName");
  read.node = Text(spec, "nodeName");
  const PodBook::Json* host_network = Find(spec, "hostNetwork");
  read.host_network = host_network != nullptr && *host_network == true;
  const PodBook::Json* ips = Find(status, "podIPs");
  for (size_t i = 0; ips != nullptr && ips->is_array() && i < ips->size(); ++i) {
    read.ips.push_back(Text(&(*ips)[i], "ip"));
  }
  if (read.ips.empty()) read.ips.push_back(Text(status, "podIP"));
  read.ips.erase(std::remove(read.ips.begin(), read.ips.end(), ""), read.ips.end());
  return read;
}

}  // namespace

PodBook::PodBook() : ObjectBook(&Read) {}

std::string PodBook::NodeOf(const std::string& name_space, const std::string& pod) const {
  return With([&](const Map& pods) {
    const auto found = pods.find({name_space, pod});
    return found == pods.end() ? std::string() : found->second.node;
  });
}

absl::Status PodBook::CheckOwner(const Caller& caller, absl::string_view uid) const {
  return With([&](const Map& pods) {
    const auto found = pods.find({caller.name_space, caller.pod});
    const std::string name = absl::StrCat(caller.name_space, "/", caller.pod);
    if (found == pods.end()) return Refused(absl::StrCat("the cluster has no pod ", name));
    if (!uid.empty() && !found->second.uid.empty() && found->second.uid != uid) {
      return Refused(absl::StrCat("it is of an earlier pod ", name));
    }
    if (found->second.service_account != caller.service_account) {
      return Refused(absl::StrCat("the pod ", name, " runs as another service account, ",
                                  found->second.service_account));
    }
    return absl::OkStatus();
  });
}

absl::Status PodBook::CheckName(const Caller& caller, absl::string_view name) {
  if (caller.pod.empty() || caller.pod == name) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("node metadata: workload: ", name,
                                                  " is not the name of the pod ", caller.name_space,
                                                  "/", caller.pod));
}

absl::Status PodBook::CheckAddresses(const Caller& caller,
                                     const std::vector<std::string>& addresses,
                                     absl::string_view peer_ip) const {
  if (caller.pod.empty()) return absl::OkStatus();
  return With([&](const Map& pods) {
    const auto found = pods.find({caller.name_space, caller.pod});
    const bool known = found != pods.end() && !found->second.ips.empty();
    if (known && found->second.host_network) return absl::OkStatus();
    for (const std::string& address : addresses) {
      if (known ? absl::c_linear_search(found->second.ips, address) : address == peer_ip) continue;
      const std::string what =
          absl::StrCat("node metadata: ", address, " is ", known ? "no" : "not known as an",
                       " address of the pod ", caller.name_space, "/", caller.pod);
      return known ? absl::PermissionDeniedError(what)
                   : absl::UnavailableError(absl::StrCat(what, " yet; try again"));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<Caller> PodBindingVerifier::Verify(absl::string_view token) const {
  KITH_ASSIGN_OR_RETURN(Caller caller, inner_.Verify(token));
  if (caller.pod.empty()) return caller;
  // Proven by now; read again for what a Caller does not hold.
  KITH_ASSIGN_OR_RETURN(const jwt::Token parsed, jwt::ParseToken(token));
  const Caller& named = caller;
  const std::string uid = Text(Find(Find(&parsed.claims, "kubernetes.io"), "pod"), "uid");
  KITH_RETURN_IF_ERROR(pods_.CheckOwner(named, uid));
  return caller;
}

}  // namespace kith::controlplane
