// Turns one rule of an AuthorizationPolicy into predicates.
// Threads: any, pure. Owns: nothing. Errors: none; the rule is valid.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/policy/rule_index.h"

namespace kith::security::v1 {
class Rule;
}

namespace kith::policy {

struct RuleContext {
  absl::Span<const std::string> trust_domains;  // The mesh's and its aliases, in lower case.
  absl::string_view name_space;                 // The policy's.
  Effect effect;
};

// Fills `when`, `from` and `to`.
void CompileRule(const security::v1::Rule& rule, const RuleContext& context, RuleTable& out);

}  // namespace kith::policy
