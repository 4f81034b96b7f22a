// The parts of an injected pod: the sidecar, the init container that captures or checks capture,
// and their volumes.
// Threads: any, pure. Owns: nothing. Errors: none; `options` were checked.
#pragma once

#include <string>
#include <vector>

#include "source/inject/json.h"
#include "source/inject/options.h"

namespace kith::inject {

inline constexpr char kSidecarName[] = "kith-sidecar";
inline constexpr char kCaptureName[] = "kith-init";           // Writes the rules.
inline constexpr char kValidationName[] = "kith-validation";  // Checks that a plugin wrote them.
// Of the volumes: the sidecar's own memory, the control plane's roots, the token.
inline constexpr const char* kVolumeNames[] = {"kith-run", "kith-roots", "kith-token"};

// What the sidecar is to know of its pod.
struct PodFacts {
  Json labels = Json::object();
  Json probes = Json::array();  // probes.h.
  int64_t grace_seconds = 30;
};

Json SidecarContainer(const Options& options, const PodFacts& facts);
// `capture apply` or `capture check`; `options.capture` is not kNone.
Json CaptureContainer(const Options& options);
// The arguments after `kith-sidecar capture apply`.
std::vector<std::string> CaptureArguments(const Options& options);
Json Volumes(const Options& options);

}  // namespace kith::inject
