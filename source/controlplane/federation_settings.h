// The control plane's settings under `federation` and `bundleEndpoint`, checked.
// Threads: any; pure. Owns: nothing. Errors: INVALID_ARGUMENT that names the field.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "kith/config/v1/controlplane.pb.h"
#include "source/controlplane/bundle_endpoint.h"
#include "source/controlplane/federation.h"

namespace kith::controlplane {

struct FederationSettings {
  std::vector<Federation::Entry> entries;
  BundleEndpoint::Settings endpoint;

  static absl::StatusOr<FederationSettings> From(const config::v1::ControlPlaneConfig& config);
};

}  // namespace kith::controlplane
