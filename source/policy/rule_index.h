// Rules of one action, and a tree that finds those that can match a request without looking at the
// others: each node asks for one attribute and goes on where its value leads. What the way to a
// leaf has proven is not asked again there.
// Threads: immutable; Find() neither locks nor allocates. Owns: its tree; rules are borrowed.
// Errors: none.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "source/policy/flat_predicates.h"
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
  friend class RuleIndexBuilder;

  // A part of a rule that is looked at as a whole: a range of its `from` and of its `to`.
  struct Unit {
    const RuleTable* rule;
    int from_begin, from_end, to_begin, to_end;
  };
  // A unit at a leaf. `left` is of `predicates_`: what the way here has not proven; kWhole: ask for
  // the unit as a whole, since it has several clauses.
  struct Leaf {
    static constexpr uint32_t kWhole = UINT32_MAX;
    uint32_t unit : 31;
    uint32_t last : 1;
    uint32_t left;
  };
  // A node, or the first of the leaves that are looked at one by one, ascending.
  struct Branch {
    static constexpr uint32_t kNone = UINT32_MAX >> 1;
    uint32_t at : 31;
    uint32_t is_leaf : 1;
  };
  static constexpr Branch kNowhere = {Branch::kNone, 0};

  struct Node {
    Attribute attribute{};
    LiteralIndex literals;
    std::vector<Branch> children;  // By literal.
    Branch rest = kNowhere;        // Of units that do not ask for it.
  };
  // What the search has come to know.
  struct Search {
    Attributes& attributes;
    RuleMatch best;
    uint32_t best_unit = UINT32_MAX;
  };
  // Whether the way to a branch has proven what it stands for.
  enum class Way : uint8_t { kProven, kUnknown };

  void Visit(Branch branch, Way way, Search& search) const;
  void LookAt(uint32_t leaf, Way way, Search& search) const;
  bool MatchesWhole(const Unit& unit, Attributes& attributes, RuleMatch& match) const;

  Effect effect_ = Effect::kAdmits;
  std::vector<Unit> units_;
  std::vector<Node> nodes_;
  std::vector<Leaf> leaves_;
  FlatPredicates predicates_;
  Branch root_ = kNowhere;
};

}  // namespace kith::policy
