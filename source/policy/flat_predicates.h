// Conjunctions of predicates, each in one piece of memory and in the order in which a decision
// reads it: among thousands of rules following pointers costs more than comparing their texts.
// Threads: immutable once filled; AllHold() neither locks nor allocates.
// Owns: its bytes; the predicates are borrowed. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "source/policy/predicate.h"

namespace kith::policy {

class FlatPredicates {
 public:
  // Where the conjunction is. `predicates` outlive this, at the same place.
  uint32_t Add(absl::Span<const Predicate* const> predicates);

  bool AllHold(uint32_t place, Attributes& attributes, Effect effect) const;

 private:
  // Followed by `values` literals, `next` bytes in all; by none where the attribute has a name or a
  // value is no literal: then the predicate itself is asked, whose number `next` is.
  struct Head {
    uint32_t next;
    Attribute attribute;
    Predicate::Sense sense;
    uint8_t values;
  };
  struct Value {  // Followed by its text.
    uint16_t size;
    Literal::Kind kind;
  };

  bool Matches(const Head& head, size_t at, Values given) const;

  std::string bytes_;
  std::vector<const Predicate*> others_;
};

}  // namespace kith::policy
