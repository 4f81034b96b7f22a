// What a pod's labels and annotations say of its sidecar, by Kith's own names and by those that
// users of Istio and Linkerd know (docs/kubernetes.md has the table). Kith's name goes before
// Istio's, Istio's before Linkerd's.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT names the annotation, what is wrong and what to write: a pod that asks
// for something else than it would get is refused.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "source/inject/json.h"
#include "source/inject/options.h"

namespace kith::inject {

// Kith's own annotations.
inline constexpr char kStatusAnnotation[] = "sidecar.kith.dev/status";
// The arguments of `kith-sidecar capture`, JSON, for a network plugin: its contract.
inline constexpr char kCaptureAnnotation[] = "sidecar.kith.dev/capture-arguments";

// Changes `options` for the pod with these annotations. What is understood but has no effect here
// is said in `warnings`.
absl::Status ApplyAnnotations(const Json& annotations, Options& options,
                              std::vector<std::string>& warnings);

// Whether the pod itself, or its namespace, asks for a sidecar or refuses one.
enum class Wish : uint8_t { kNone, kWanted, kRefused };
struct Ask {
  Wish wish = Wish::kNone;
  std::string by;  // "label sidecar.istio.io/inject=false".
};
Ask AskOfPod(const Json& pod);
Ask AskOfNamespace(const Json& labels);

}  // namespace kith::inject
