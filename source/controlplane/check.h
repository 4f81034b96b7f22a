// kith-controlplane --check: whether a start with these settings would take every registry file.
// Threads: any. Owns: nothing. Errors: the first thing that is wrong; every bad file is printed.
#pragma once

#include "absl/status/status.h"
#include "source/controlplane/settings.h"

namespace kith::controlplane {

absl::Status CheckRegistry(const Settings& settings);

}  // namespace kith::controlplane
