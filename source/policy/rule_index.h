// Rules of one action, and a tree that finds those that can match a request without looking at the
// others: each node asks for one attribute and goes on where its value leads.
// Threads: immutable; Find() neither locks nor allocates. Owns: its tree; rules are borrowed.
// Errors: none.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "source/policy/literal_index.h"
#include "source/policy/predicate.h"

namespace kith::policy {

using Conjunction = std::vector<Predicate>;  // All must hold; none holds always.

// Matches when every `when` holds, and one of `from` or there is none, and one of `to` or there is
// none.
struct RuleTable {
  size_t policy = 0;  // Index into Tables::policies.
  int rule = 0;
  Conjunction when;
  std::vector<Conjunction> from;
  std::vector<Conjunction> to;
};

struct RuleMatch {
  const RuleTable* rule = nullptr;  // Null: none matched.
  int from = -1;
  int to = -1;
};

bool AllHold(const Conjunction& predicates, Attributes& attributes, Effect effect);

class RuleIndex {
 public:
  RuleIndex() = default;
  // `rules` outlive it, at the same place.
  RuleIndex(absl::Span<const RuleTable> rules, Effect effect);

  // The first rule, in their order, that matches, and its first clauses.
  RuleMatch Find(Attributes& attributes) const;

 private:
  // A part of a rule that is looked at as a whole: a range of its `from` and of its `to`.
  struct Unit {
    const RuleTable* rule;
    int from_begin, from_end, to_begin, to_end;
  };
  struct Node {
    std::vector<uint32_t> units;  // Looked at one by one, ascending.
    // Further nodes by the literals of an attribute; none when `children` is empty.
    Attribute attribute{};
    LiteralIndex literals;
    std::vector<uint32_t> children;  // By literal.
    uint32_t rest = 0;               // Of units that do not ask for it. 0: none.
  };
  using Literals = std::vector<Literal>;
  using AttributeMask = uint32_t;

  void AddUnits(const RuleTable& rule);
  uint32_t Build(std::vector<uint32_t> units, AttributeMask mask);
  // False when the unit may match whatever the attribute is.
  bool LiteralsOf(const Unit& unit, Attribute attribute, Literals& out) const;
  // How many units a request is expected to be left with; more than there are when it is no choice.
  double Cost(const std::vector<uint32_t>& units, Attribute attribute) const;
  void Visit(uint32_t node, Attributes& attributes, RuleMatch& best, uint32_t& best_unit) const;
  bool Matches(const Unit& unit, Attributes& attributes, RuleMatch& match) const;

  Effect effect_ = Effect::kAdmits;
  std::vector<Unit> units_;
  std::vector<Node> nodes_;  // The root is the last.
};

}  // namespace kith::policy
