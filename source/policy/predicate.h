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

// Whether one of the values matches; kUnreadable: the attribute could not be taken apart.
enum class Outcome : uint8_t { kNo, kYes, kUnreadable };

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
};

inline Reading ReadingFor(Predicate::Sense sense, Effect effect) {
  return (effect == Effect::kRefuses) == (sense == Predicate::Sense::kPositive) ? Reading::kWidened
                                                                                : Reading::kAsSent;
}
// Of an attribute that is `given`, one of which matches or none.
inline Outcome OutcomeOf(bool any, const Values& given) {
  if (any) return Outcome::kYes;
  return given.readable ? Outcome::kNo : Outcome::kUnreadable;
}
inline bool IsMet(Outcome outcome, Predicate::Sense sense, Effect effect) {
  if (outcome == Outcome::kUnreadable) return effect == Effect::kRefuses;
  return (outcome == Outcome::kYes) == (sense == Predicate::Sense::kPositive);
}

}  // namespace kith::policy
