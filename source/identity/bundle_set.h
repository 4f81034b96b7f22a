// Trust bundles by whoever gave them, merged into the one that counts: for each trust domain the
// roots of the first giver, in the order of precedence, that has any. They are never mixed: two
// givers that disagree about a trust domain must not add up to more trust than either gives.
// Threads: one; plain values. Owns: its bundles. Errors: none; whether roots are sound is for
// tls/credentials.h to say.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "source/tls/credentials.h"

namespace kith::identity {

enum class BundleOrigin : uint8_t {
  kControlPlane,  // The stream of trust bundles.
  kSource,        // What the identity comes from.
  kBootstrap,     // Files that the bootstrap names: always last.
};
absl::string_view Name(BundleOrigin origin);  // "control-plane", "source", "bootstrap".

enum class BundlePrecedence : uint8_t { kControlPlaneFirst, kSourceFirst };

class BundleSet {
 public:
  explicit BundleSet(BundlePrecedence precedence) : precedence_(precedence) {}

  // Replaces all that this origin gave before.
  void Set(BundleOrigin origin, std::vector<tls::TrustBundle::Domain> domains);

  struct Entry {
    tls::TrustBundle::Domain domain;
    BundleOrigin origin;
  };
  // Sorted by trust domain.
  std::vector<Entry> Merge() const;

 private:
  BundlePrecedence precedence_;
  std::array<std::vector<tls::TrustBundle::Domain>, 3> given_;
};

}  // namespace kith::identity
