// What policies say of a request without enforcing it: that AUDIT matched, and what policies under
// the annotation "istio.io/dry-run" would have decided.
// Threads: plain values. Owns: its texts: a request may outlive the policies. Errors: none.
#pragma once

#include <string>

namespace kith::proxy {

struct PolicyMarks {
  std::string audit_policy;  // "namespace/name"; empty: none matched.
  bool tried = false;        // There are policies that are only tried out:
  bool dry_run_allows = false;
  std::string dry_run_policy;  // Empty: none would have decided.
  int dry_run_rule = -1;
};

}  // namespace kith::proxy
