// kithctl break-glass: keeps a workload serving, for a limited time, when certificates cannot be
// had (docs/break-glass.md).
// Threads: one. Owns: nothing. Errors: as commands.h.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/ctl/admin_client.h"
#include "source/ctl/output.h"

namespace kith::ctl {

absl::Status StartBreakGlass(const AdminClient& sidecar, const std::string& time,
                             const std::string& reason, Output output);
absl::Status ShowBreakGlass(const AdminClient& sidecar, Output output);
absl::Status EndBreakGlass(const AdminClient& sidecar, Output output);

}  // namespace kith::ctl
