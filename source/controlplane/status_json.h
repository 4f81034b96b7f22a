// GET /v1/status as JSON: what a person asks a control plane.
// Threads: the loop's. Owns: nothing; everything is borrowed for the call. Errors: none.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/distribution/hub.h"
#include "source/controlplane/issuance_book.h"
#include "source/controlplane/registry/directory_registry.h"

namespace kith::controlplane {

struct StatusSources {
  const CertificateAuthority& authority;
  const Hub& hub;
  const DirectoryRegistry& registry;
  const IssuanceBook& issuances;
  absl::Time started;
};

std::string StatusJson(const StatusSources& sources);

// RFC 3339 in UTC, whole seconds.
std::string JsonTime(absl::Time time);

}  // namespace kith::controlplane
