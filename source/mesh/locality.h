// How near an endpoint is to its client, and how requests are spread over near
// and far ones while some of them fail. A locality is "region/zone/subzone", or
// less of it. Threads: any, pure. Owns: nothing. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/mesh/traffic_policy.h"

namespace kith::mesh {

// 0 for the same subzone, 1 for the same zone, 2 for the same region, 3 for the
// region that its own fails over to, 4 for every other one. Of a client whose
// region is not known all are equally far.
int DistanceOf(absl::string_view client, absl::string_view endpoint,
               const LocalityPreference& preference);

// Endpoints of one distance.
struct TierHealth {
  size_t endpoints = 0;
  size_t healthy = 0;
};

// Which tier a request goes to, of those sorted by distance. As with Envoy a
// tier is good for all of the load until a share of its endpoints fails that it
// could not carry (its healthy ones times 1.4); what is missing goes to the
// next. `random` is uniform in all 64 bits. 0 when none is healthy.
size_t DrawTier(absl::Span<const TierHealth> tiers, uint64_t random);

}  // namespace kith::mesh
