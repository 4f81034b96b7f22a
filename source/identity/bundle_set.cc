#include "source/identity/bundle_set.h"

#include <utility>

#include "absl/container/btree_map.h"

namespace kith::identity {

absl::string_view Name(BundleOrigin origin) {
  switch (origin) {
    case BundleOrigin::kControlPlane:
      return "control-plane";
    case BundleOrigin::kSource:
      return "source";
    case BundleOrigin::kBootstrap:
      return "bootstrap";
  }
  return "bootstrap";
}

void BundleSet::Set(BundleOrigin origin, std::vector<tls::TrustBundle::Domain> domains) {
  given_[static_cast<size_t>(origin)] = std::move(domains);
}

std::vector<BundleSet::Entry> BundleSet::Merge() const {
  const bool control_plane_first = precedence_ == BundlePrecedence::kControlPlaneFirst;
  const BundleOrigin order[] = {
      control_plane_first ? BundleOrigin::kControlPlane : BundleOrigin::kSource,
      control_plane_first ? BundleOrigin::kSource : BundleOrigin::kControlPlane,
      BundleOrigin::kBootstrap,
  };
  absl::btree_map<std::string, Entry> merged;
  for (const BundleOrigin origin : order) {
    for (const tls::TrustBundle::Domain& domain : given_[static_cast<size_t>(origin)]) {
      merged.try_emplace(domain.trust_domain, Entry{domain, origin});
    }
  }
  std::vector<Entry> entries;
  entries.reserve(merged.size());
  for (auto& [trust_domain, entry] : merged) entries.push_back(std::move(entry));
  return entries;
}

}  // namespace kith::identity
