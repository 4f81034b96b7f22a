// What the sidecar's admin socket shows, as JSON.
// Threads: the loop's. Owns: nothing. Errors: none; what is not there yet is null.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/control/discovery_client.h"
#include "source/identity/manager.h"
#include "source/identity/source.h"
#include "source/sidecar/bootstrap.h"
#include "source/sidecar/departure.h"
#include "source/sidecar/memory_guard.h"
#include "source/sidecar/workers.h"

namespace kith::sidecar {

// Everything borrowed.
struct StatusSources {
  const Bootstrap& bootstrap;
  const identity::Manager& identity;
  const identity::Source& source;
  const control::DiscoveryClient& discovery;
  const Workers& workers;
  const Departure& departure;
  const MemoryGuard& memory;
  absl::Time started;
  const base::Clock& clock = base::Clock::System();
};

// Why this sidecar is not ready; empty when it is.
std::vector<std::string> NotReady(const StatusSources& sources);

std::string StatusJson(const StatusSources& sources, const Workers::Activity& activity);
std::string CertificatesJson(const StatusSources& sources, const Workers::Activity& activity);

}  // namespace kith::sidecar
