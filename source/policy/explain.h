// Why a request was decided as it was, in words: the slow way, for people.
// Threads: any. Owns: what it returns. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "source/policy/request.h"

namespace kith::policy {

class PolicySet;
struct Tables;

// A list of a rule that did not match.
struct Mismatch {
  std::string field;                  // "from[0].source.principals"
  std::vector<std::string> expected;  // As the policy says it.
  std::string got;                    // "none" when the request has no such attribute.
};

struct Explanation {
  Decision decision;                   // Borrowed from the PolicySet.
  absl::optional<CustomMatch> custom;  // Whom CUSTOM asks first.
  // For a denial that no rule made: the ALLOW rule that came nearest, and what kept it from
  // matching. Empty when no rule is there at all.
  std::string nearest_policy;
  int nearest_rule = -1;
  std::vector<Mismatch> mismatches;

  // All of it in one line.
  std::string ToString() const;
  std::string unmatched;  // PolicySet::unmatched().
};

Explanation Explain(const PolicySet& policies, const Tables& tables, const Request& request);

}  // namespace kith::policy
