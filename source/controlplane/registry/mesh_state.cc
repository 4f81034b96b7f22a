#include "source/controlplane/registry/mesh_state.h"

namespace kith::controlplane {

void Rulebook::Append(const Rulebook& other) {
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(request_authentications, other.request_authentications);
  append(rate_limit_policies, other.rate_limit_policies);
  append(extension_providers, other.extension_providers);
}

}  // namespace kith::controlplane
