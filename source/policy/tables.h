// Compiled policies as PolicySet holds them: for each action and kind of stream the rules that can
// match, and the index that finds them.
// Threads: immutable once compiled. Owns: everything in it. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "source/policy/predicate.h"
#include "source/policy/rule_index.h"

namespace kith::policy {

// The rules of one action. Each kind of stream has its own reading of them.
struct RuleList {
  std::vector<RuleTable> http, tcp;
  RuleIndex http_index, tcp_index;

  const std::vector<RuleTable>& For(Request::Kind kind) const {
    return kind == Request::Kind::kHttp ? http : tcp;
  }
  const RuleIndex& IndexFor(Request::Kind kind) const {
    return kind == Request::Kind::kHttp ? http_index : tcp_index;
  }
  bool empty() const { return http.empty() && tcp.empty(); }
};

struct PolicyEntry {
  std::string name;      // "namespace/name".
  std::string provider;  // Of a CUSTOM policy.
};

struct Tables {
  std::vector<PolicyEntry> policies;
  RuleList custom, audit, deny, allow;
  // Of policies that are only tried out.
  RuleList dry_deny, dry_allow;
  // Whether what no rule allows is denied: an ALLOW policy applies, whatever became of its rules.
  bool default_deny = false;
  bool dry_default_deny = false;
  bool several_providers = false;
  std::string unmatched;  // Names the ALLOW policies; see PolicySet::unmatched().
  bool reads_paths = false;
  bool reads_headers = false;
  bool reads_certificates = false;
};

}  // namespace kith::policy
