// A status that carries one of the closed list of reasons past code that knows nothing of them:
// from the layer that ends a stream to the log line about it. Threads: any; pure. Owns: nothing.
// Errors: none.
#pragma once

#include "absl/status/status.h"
#include "source/telemetry/reason.h"

namespace kith::telemetry {

// An OK status stays as it is.
absl::Status WithReason(absl::Status status, Reason reason);
// `otherwise` when the status carries none.
Reason ReasonOf(const absl::Status& status, Reason otherwise);

}  // namespace kith::telemetry
