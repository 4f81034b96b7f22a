// Injection as a pure function: a pod goes in, the same pod with a sidecar comes out, or why it has
// none. The webhook and `kithctl inject` call the same function.
// Threads: any, pure. Owns: nothing.
// Errors: none are thrown or logged: a verdict carries them. A pod that would not do what its
// author says (an annotation that cannot be read, a container with the proxy's user) is refused
// rather than injected by guess.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "source/inject/json.h"
#include "source/inject/options.h"

namespace kith::inject {

// Where a pod is made: a pod of a ReplicaSet does not say it itself.
struct Request {
  std::string name_space;
  // Absent: whoever calls has selected the namespace already, as the API server does for the
  // webhook.
  absl::optional<Json> namespace_labels;
};

struct Verdict {
  enum class Kind : uint8_t { kInjected, kSkipped, kRefused };
  Kind kind = Kind::kSkipped;
  std::string reason;                 // Why it is skipped or refused.
  Json pod;                           // With the sidecar; only when injected.
  std::vector<std::string> warnings;  // What is accepted and has less effect than it seems.
};

// A pod that has a sidecar of Kith's already gets it anew, so that calling it again changes nothing
// and an upgrade everything.
Verdict Inject(const Json& pod, const Request& request, const Options& options);

// The pod as it was before; one without a sidecar of Kith's stays as it is.
absl::StatusOr<Json> Uninject(const Json& pod);

bool IsInjected(const Json& pod);

}  // namespace kith::inject
