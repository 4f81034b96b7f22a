#include "source/policy/rule_index.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "source/policy/rule_index_builder.h"

namespace kith::policy {
namespace {

constexpr size_t kMaxValues = 4;

// The first clause of the range that holds; -1: none does.
int FirstHolding(const std::vector<Conjunction>& clauses, int begin, int end,
                 Attributes& attributes, Effect effect) {
  for (int i = begin; i < end; ++i) {
    if (AllHold(clauses[static_cast<size_t>(i)], attributes, effect)) return i;
  }
  return -1;
}

}  // namespace

bool AllHold(const Conjunction& predicates, Attributes& attributes, Effect effect) {
  return std::all_of(predicates.begin(), predicates.end(), [&](const Predicate& predicate) {
    return predicate.Holds(attributes, effect);
  });
}

RuleIndex::RuleIndex(absl::Span<const RuleTable> rules, Effect effect) : effect_(effect) {
  RuleIndexBuilder builder(*this);
  for (const RuleTable& rule : rules) builder.AddUnits(rule);
  builder.Build();
}

bool RuleIndex::MatchesWhole(const Unit& unit, Attributes& attributes, RuleMatch& match) const {
  const RuleTable& rule = *unit.rule;
  int from = -1, to = -1;
  if (unit.from_begin < unit.from_end) {
    from = FirstHolding(rule.from, unit.from_begin, unit.from_end, attributes, effect_);
    if (from < 0) return false;
  }
  if (unit.to_begin < unit.to_end) {
    to = FirstHolding(rule.to, unit.to_begin, unit.to_end, attributes, effect_);
    if (to < 0) return false;
  }
  if (!AllHold(rule.when, attributes, effect_)) return false;
  match = {&rule, from, to};
  return true;
}

void RuleIndex::LookAt(uint32_t at, Way way, Search& search) const {
  while (true) {
    const Leaf leaf = leaves_[at++];
    if (leaf.unit >= search.best_unit) return;
    const Unit& unit = units_[leaf.unit];
    // Read only if it matches, after the predicates: begun now, the two are waited for at once.
    __builtin_prefetch(&unit);
    if (way == Way::kUnknown || leaf.left == Leaf::kWhole) {
      if (MatchesWhole(unit, search.attributes, search.best)) {
        search.best_unit = leaf.unit;
        return;
      }
    } else if (predicates_.AllHold(leaf.left, search.attributes, effect_)) {
      search.best = {unit.rule, unit.from_begin < unit.from_end ? unit.from_begin : -1,
                     unit.to_begin < unit.to_end ? unit.to_begin : -1};
      search.best_unit = leaf.unit;
      return;
    }
    if (leaf.last != 0) return;
  }
}

void RuleIndex::Visit(Branch branch, Way way, Search& search) const {
  if (branch.is_leaf != 0) return LookAt(branch.at, way, search);
  if (branch.at == Branch::kNone) return;
  const Node& node = nodes_[branch.at];
  Visit(node.rest, way, search);
  const Values values =
      search.attributes.Get(node.attribute, ReadingFor(Predicate::Sense::kPositive, effect_));
  const bool unknown = !values.readable || (node.attribute == Attribute::kServiceAccount &&
                                            search.attributes.has_unusual_id());
  if (unknown) {
    for (const Branch child : node.children) Visit(child, Way::kUnknown, search);
    return;
  }
  // The list changes with the next question.
  std::array<absl::string_view, kMaxValues> texts;
  const size_t count = std::min(values.texts.size(), texts.size());
  std::copy_n(values.texts.begin(), count, texts.begin());
  for (size_t i = 0; i < count; ++i) {
    node.literals.Find(texts[i],
                       [&](uint32_t literal) { Visit(node.children[literal], way, search); });
  }
}

RuleMatch RuleIndex::Find(Attributes& attributes) const {
  Search search = {.attributes = attributes, .best = {}};
  Visit(root_, Way::kProven, search);
  return search.best;
}

}  // namespace kith::policy
