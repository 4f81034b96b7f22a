// kithctl ca audit: reads an audit log of the control plane, which need not run.
// Threads: one. Owns: nothing. Errors: INVALID_ARGUMENT when the chain is broken or the file is no
// audit log; NOT_FOUND when there is none.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/ctl/output.h"

namespace kith::ctl {

struct AuditVerification {
  std::string file;
  // The chain of a line noted earlier (what an earlier verification printed): it must be there, so
  // that an end that was cut off is found. Empty asks nothing.
  std::string head;
};
// Whether each line follows from the one before it.
absl::Status VerifyAudit(const AuditVerification& request, Output output, std::ostream& out);

// Empty texts and infinite times let everything through.
struct AuditFilter {
  std::string file;
  std::string event;
  std::string decision;
  std::string principal;
  std::string serial;
  absl::Time since = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  uint64_t limit = 0;  // The last so many; zero shows all.
};
absl::Status ShowAudit(const AuditFilter& filter, Output output, std::ostream& out);

}  // namespace kith::ctl
