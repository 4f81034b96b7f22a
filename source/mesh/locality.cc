#include "source/mesh/locality.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"

namespace kith::mesh {
namespace {

constexpr uint64_t kWhole = 100;
constexpr uint64_t kOverprovisioned = 140;

struct Place {
  explicit Place(absl::string_view locality) {
    using Halves = std::pair<absl::string_view, absl::string_view>;
    const Halves outer = absl::StrSplit(locality, absl::MaxSplits('/', 1));
    const Halves inner = absl::StrSplit(outer.second, absl::MaxSplits('/', 1));
    region = outer.first;
    zone = inner.first;
    subzone = inner.second;
  }

  absl::string_view region;
  absl::string_view zone;
  absl::string_view subzone;
};

}  // namespace

int DistanceOf(absl::string_view client, absl::string_view endpoint,
               const LocalityPreference& preference) {
  const Place from(client);
  if (from.region.empty()) return 0;
  const Place to(endpoint);
  if (from.region == to.region) {
    if (from.zone != to.zone) return 2;
    return from.subzone == to.subzone ? 0 : 1;
  }
  for (const auto& [region, next] : preference.failover) {
    if (region == from.region && next == to.region) return 3;
  }
  return 4;
}

size_t DrawTier(absl::Span<const TierHealth> tiers, uint64_t random) {
  const auto health = [](const TierHealth& tier) {
    if (tier.endpoints == 0) return uint64_t{0};
    return std::min(kWhole, kOverprovisioned * tier.healthy / tier.endpoints);
  };
  uint64_t all = 0;
  for (const TierHealth& tier : tiers) all = std::min(kWhole, all + health(tier));
  // The high half of the product maps the random number evenly onto [0, all).
  auto ticket = static_cast<uint64_t>((static_cast<unsigned __int128>(random) * all) >> 64);
  for (size_t i = 0; i < tiers.size(); ++i) {
    if (ticket < health(tiers[i])) return i;
    ticket -= health(tiers[i]);
  }
  return 0;
}

}  // namespace kith::mesh
