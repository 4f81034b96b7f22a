// The control plane's metrics of federation, beside those of families.h.
// Threads: constants. Owns: nothing. Errors: none.
#pragma once

#include "source/telemetry/families.h"

namespace kith::telemetry {

extern const Family kBundleFetches;

}  // namespace kith::telemetry
