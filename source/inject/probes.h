// The application's probes and hooks, pointed at its sidecar: the kubelet has no certificate, so
// that where mutual TLS is required it asks the sidecar's monitoring port, which asks the
// application in its place (sidecar/application_probes.h).
// Threads: any, pure. Owns: nothing.
// Errors: none; what cannot be rewritten stays as it is and is said in `warnings`.
#pragma once

#include <string>
#include <vector>

#include "source/inject/json.h"

namespace kith::inject {

struct RewrittenProbes {
  // What the sidecar is to do, in the form of its bootstrap's applicationProbes.
  Json sidecar = Json::array();
  // By "container/readinessProbe" or "container/lifecycle/preStop": the handler as it was.
  Json originals = Json::object();
};

// Rewrites in place every probe of `pod` by HTTP, TCP or gRPC, and every hook by HTTP, of
// containers and of native sidecars. Commands stay: they run inside the pod.
RewrittenProbes RewriteProbes(Json& pod, std::vector<std::string>& warnings);

// Puts back what RewriteProbes() took.
void RestoreProbes(Json& pod, const Json& originals);

}  // namespace kith::inject
