// Whether JSON from elsewhere has the shape of a pod, and whether a sidecar fits into it.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT names the field; FAILED_PRECONDITION says what in the pod is in the way.
#pragma once

#include "absl/status/status.h"
#include "source/inject/json.h"
#include "source/inject/options.h"

namespace kith::inject {

// Afterwards metadata and spec are objects, labels and annotations of text, and the lists of
// containers and volumes hold objects with names, where they are there at all.
absl::Status CheckShape(const Json& pod);

// Another mesh's sidecar, the proxy's user or one of its ports taken.
absl::Status CheckRoom(const Json& pod, const Options& options);

bool IsForWindows(const Json& pod);

}  // namespace kith::inject
