// What policies say of a request: by which rule it was decided; and without enforcing it, that
// AUDIT matched, and what policies under the annotation "istio.io/dry-run" would have decided.
// Threads: plain values. Owns: its texts: a request may outlive the policies. Errors: none.
#pragma once

#include <string>

#include "source/policy/request.h"

namespace kith::proxy {

// Empty and -1 where none did.
struct DecidingRule {
  static DecidingRule Of(const policy::Decision& decision) {
    return {std::string(decision.policy), decision.rule, decision.from, decision.to};
  }
  std::string policy;  // "namespace/name".
  int rule = -1;
  // Its clauses that matched.
  int from = -1;
  int to = -1;
};

struct PolicyMarks {
  std::string audit_policy;  // "namespace/name"; empty: none matched.
  bool tried = false;        // There are policies that are only tried out:
  bool dry_run_allows = false;
  std::string dry_run_policy;  // Empty: none would have decided.
  int dry_run_rule = -1;
};

}  // namespace kith::proxy
