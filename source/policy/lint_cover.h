// Whether one rule matches whatever another does, and whether one can match at all: judged by their
// lists, so that "yes" is certain and "no" may only mean that it is not seen.
// Threads: any, pure. Owns: nothing. Errors: none.
#pragma once

#include "source/policy/rule_index.h"

namespace kith::policy {

// Every request that `covered` matches, `cover` matches too. `effect` is what `cover` does.
bool Covers(const RuleTable& cover, const RuleTable& covered, Effect effect);

// No request matches: one list excludes what another asks for.
bool NeverMatches(const RuleTable& rule, Effect effect);

}  // namespace kith::policy
