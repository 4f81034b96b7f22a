// Compiled policies as PolicySet holds them: for each action and kind of stream the rules that can
// match, in the order of the policies.
// Threads: immutable once compiled. Owns: everything in it. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "source/policy/matcher.h"
#include "source/policy/policy_set.h"

namespace kith::policy {

// Lists of one field: a list that is empty asks for nothing.
struct SourceTable {
  std::vector<StringMatcher> principals, not_principals;
  std::vector<std::string> namespaces, not_namespaces;  // Globs.
};

struct OperationTable {
  std::vector<uint16_t> ports, not_ports;
  std::vector<StringMatcher> methods, not_methods;
  std::vector<StringMatcher> paths, not_paths;
};

// Matches when some source and some operation match; no sources match any, as do no operations.
struct RuleTable {
  size_t policy;  // Index into Tables::policies.
  int rule;
  std::vector<SourceTable> sources;
  std::vector<OperationTable> operations;
};

struct RuleList {
  std::vector<RuleTable> http, tcp;

  const std::vector<RuleTable>& For(Request::Kind kind) const {
    return kind == Request::Kind::kHttp ? http : tcp;
  }
};

struct Tables {
  std::vector<std::string> policies;  // "namespace/name".
  RuleList deny, allow;
  // Whether what no rule allows is denied: an ALLOW policy applies, whatever became of its rules.
  bool default_deny = false;
  std::string unmatched;  // Names them; see PolicySet::unmatched().
  bool reads_paths = false;
};

}  // namespace kith::policy
