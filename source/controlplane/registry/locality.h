// Where a workload runs, by Istio's words for it.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT that says what is wrong; labels that make no sense
// count as none.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "source/controlplane/registry/mesh_state.h"

namespace kith::controlplane {

// Whether it is "region", "region/zone" or "region/zone/subzone".
absl::Status CheckLocality(absl::string_view locality);

// Of istio-locality ("region.zone.subzone"), else of
// topology.kubernetes.io/region and zone and topology.istio.io/subzone; empty
// without them.
std::string LocalityOf(const Labels& labels);

}  // namespace kith::controlplane
