// The checks of `kithctl check --socket` on a control plane or a sidecar of this machine.
// Threads: one; it blocks for the answer. Owns: nothing. Errors: none; what is wrong becomes a line
// of the list.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "source/ctl/check_list.h"

namespace kith::ctl {

// Which of the two it is says the answer.
void CheckSocket(const std::string& socket, absl::Time now, CheckList& list);

}  // namespace kith::ctl
