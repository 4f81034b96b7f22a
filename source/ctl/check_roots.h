// What `kithctl check` looks at in certificates.
// Threads: any. Owns: nothing. Errors: none; what is wrong becomes a line of the list.
#pragma once

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/ctl/check_list.h"

namespace kith::ctl {

// The SHA-256 of each certificate: the same roots in another order are the same.
absl::StatusOr<std::set<std::string>> Fingerprints(absl::string_view pem);

// "the roots of … are valid": bad when one has ended or not begun, a warning when the last of them
// ends within 30 days.
void CheckRoots(const std::string& whose, absl::string_view pem, absl::Time now, CheckList& list);

}  // namespace kith::ctl
