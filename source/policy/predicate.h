// One list of a rule, compiled: an attribute and the values it must, or must not, have.
// Threads: immutable; Holds() neither locks nor allocates. Owns: its patterns. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "source/policy/attributes.h"
#include "source/policy/pattern_set.h"

namespace kith::policy {

// What a match of the rule does. Of two readings of an attribute the one is taken that lets less
// through: for kRefuses (DENY, and CUSTOM and AUDIT, which ask and mark) the one that matches more.
enum class Effect : uint8_t { kAdmits, kRefuses };

// requestPrincipals: issuer and subject.
using TokenPattern = std::pair<Pattern, Pattern>;
TokenPattern ParseTokenPattern(absl::string_view written);

struct Predicate {
  enum class Sense : uint8_t { kPositive, kNegative };

  Attribute attribute;
  Sense sense = Sense::kPositive;
  PatternSet values;
  std::vector<TokenPattern> tokens;  // kRequestPrincipal, instead of `values`.
  std::string name;                  // kHeader in lower case; kCertificateExtension.
  std::vector<std::string> claim;    // kClaim: the keys on the way.
  std::string field;                 // "from[0].source.principals".

  // The attribute's missing makes a positive predicate false, a negative one true.
  bool Holds(Attributes& attributes, Effect effect) const;

  Reading ReadingFor(Effect effect) const {
    return (effect == Effect::kRefuses) == (sense == Sense::kPositive) ? Reading::kWidened
                                                                       : Reading::kAsSent;
  }
};

}  // namespace kith::policy
