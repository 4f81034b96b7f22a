// Makes the tree of a RuleIndex: at every node the attribute is chosen that leaves the fewest units
// to look at.
// Threads: one; lives while the index is made. Owns: nothing. Errors: none.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "source/policy/rule_index.h"

namespace kith::policy {

class RuleIndexBuilder {
 public:
  explicit RuleIndexBuilder(RuleIndex& index) : index_(index) {}

  void AddUnits(const RuleTable& rule);
  // After the last AddUnits().
  void Build();

 private:
  using AttributeMask = uint32_t;
  // A unit on its way down the tree, and the attributes whose predicate has been proven.
  struct Candidate {
    uint32_t unit;
    AttributeMask proven;
  };
  using Candidates = std::vector<Candidate>;
  struct Asked {
    Literal literal;
    bool proves = false;  // Having the literal is all that the unit asks of the attribute.
  };

  RuleIndex::Branch BuildBranch(Candidates candidates, AttributeMask left);
  RuleIndex::Branch BuildLeaves(const Candidates& candidates);
  // How many units a request is expected to be left with; more than there are when it is no choice.
  double Cost(const Candidates& candidates, Attribute attribute) const;
  // False when the unit may match whatever the attribute is.
  bool AskedOf(uint32_t unit, Attribute attribute, std::vector<Asked>& out) const;
  // The predicates of which one must hold if the unit matches; none: there are no such.
  std::vector<const Predicate*> PredicatesOn(const RuleIndex::Unit& unit,
                                             Attribute attribute) const;
  uint32_t PredicatesLeft(const Candidate& candidate);

  RuleIndex& index_;
  absl::flat_hash_map<uint64_t, uint32_t> left_;  // By unit and what is proven.
};

}  // namespace kith::policy
