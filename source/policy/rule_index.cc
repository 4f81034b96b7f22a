#include "source/policy/rule_index.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace kith::policy {
namespace {

// So few units are looked at one by one.
constexpr size_t kLeaf = 4;
// A rule with more combinations of from and to is split along its longer side only.
constexpr size_t kMaxProduct = 64;
constexpr size_t kMaxValues = 4;

const Predicate* PositiveOn(const Conjunction& predicates, Attribute attribute) {
  for (const Predicate& predicate : predicates) {
    if (predicate.attribute == attribute && predicate.sense == Predicate::Sense::kPositive) {
      return &predicate;
    }
  }
  return nullptr;
}

// False when a value has no literal: it may match any text.
bool AddLiterals(const Predicate& predicate, std::vector<Literal>& out) {
  for (const Pattern& pattern : predicate.values.patterns()) {
    out.push_back(pattern.literal());
    if (out.back().kind == Literal::Kind::kNone) return false;
  }
  return true;
}

// Every clause of the range asks for the attribute: its literals.
bool AddClauses(const std::vector<Conjunction>& clauses, int begin, int end, Attribute attribute,
                std::vector<Literal>& out) {
  if (begin == end) return false;
  for (int i = begin; i < end; ++i) {
    const Predicate* predicate = PositiveOn(clauses[static_cast<size_t>(i)], attribute);
    if (predicate == nullptr || !AddLiterals(*predicate, out)) return false;
  }
  return true;
}

// The first clause of the range that holds; -1 when none does, `end` when there are none.
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
  for (const RuleTable& rule : rules) AddUnits(rule);
  if (units_.empty()) return;
  std::vector<uint32_t> all(units_.size());
  for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  // Node 0 stands for "none".
  nodes_.emplace_back();
  Build(std::move(all), (AttributeMask{1} << kIndexedAttributes) - 1);
}

void RuleIndex::AddUnits(const RuleTable& rule) {
  const int from = static_cast<int>(rule.from.size()), to = static_cast<int>(rule.to.size());
  const size_t product =
      std::max<size_t>(rule.from.size(), 1) * std::max<size_t>(rule.to.size(), 1);
  const bool split_from = from > 0 && (product <= kMaxProduct || from >= to);
  const bool split_to = to > 0 && (product <= kMaxProduct || to > from);
  for (int f = 0; f < (split_from ? from : 1); ++f) {
    for (int t = 0; t < (split_to ? to : 1); ++t) {
      units_.push_back({&rule, split_from ? f : 0, split_from ? f + 1 : from, split_to ? t : 0,
                        split_to ? t + 1 : to});
    }
  }
}

bool RuleIndex::LiteralsOf(const Unit& unit, Attribute attribute, Literals& out) const {
  out.clear();
  if (const Predicate* predicate = PositiveOn(unit.rule->when, attribute)) {
    if (AddLiterals(*predicate, out)) return true;
    out.clear();
  }
  if (AddClauses(unit.rule->from, unit.from_begin, unit.from_end, attribute, out)) return true;
  out.clear();
  return AddClauses(unit.rule->to, unit.to_begin, unit.to_end, attribute, out);
}

double RuleIndex::Cost(const std::vector<uint32_t>& units, Attribute attribute) const {
  absl::flat_hash_map<std::string, size_t> postings;
  size_t rest = 0, total = 0;
  Literals literals;
  for (const uint32_t unit : units) {
    if (!LiteralsOf(units_[unit], attribute, literals)) {
      ++rest;
      continue;
    }
    for (const Literal& literal : literals) {
      ++postings[absl::StrCat(static_cast<int>(literal.kind), literal.text)];
      ++total;
    }
  }
  // A tree that repeats its units over and over is larger than the time it saves is worth.
  const double all = static_cast<double>(units.size());
  if (total == 0 || total > 8 * units.size() + 4096) return all + 1;
  double squares = 0;
  for (const auto& [literal, count] : postings) {
    squares += static_cast<double>(count) * static_cast<double>(count);
  }
  return static_cast<double>(rest) + squares / static_cast<double>(total);
}

uint32_t RuleIndex::Build(std::vector<uint32_t> units, AttributeMask mask) {
  Node node;
  double best_cost = static_cast<double>(units.size()) * 0.75;
  bool split = false;
  for (int i = 0; units.size() > kLeaf && i < kIndexedAttributes; ++i) {
    if ((mask >> i & 1) == 0) continue;
    const auto attribute = static_cast<Attribute>(i);
    const double cost = Cost(units, attribute);
    if (cost >= best_cost) continue;
    best_cost = cost;
    node.attribute = attribute;
    split = true;
  }
  if (!split) {
    node.units = std::move(units);
  } else {
    std::vector<std::vector<uint32_t>> postings;
    std::vector<uint32_t> rest;
    Literals literals;
    for (const uint32_t unit : units) {
      if (!LiteralsOf(units_[unit], node.attribute, literals)) {
        rest.push_back(unit);
        continue;
      }
      for (const Literal& literal : literals) {
        const uint32_t number = node.literals.Add(literal);
        if (number == postings.size()) postings.emplace_back();
        if (postings[number].empty() || postings[number].back() != unit) {
          postings[number].push_back(unit);
        }
      }
    }
    node.literals.Seal();
    mask &= ~(AttributeMask{1} << static_cast<int>(node.attribute));
    if (!rest.empty()) node.rest = Build(std::move(rest), mask);
    for (std::vector<uint32_t>& posting : postings) {
      node.children.push_back(Build(std::move(posting), mask));
    }
  }
  nodes_.push_back(std::move(node));
  return static_cast<uint32_t>(nodes_.size() - 1);
}

bool RuleIndex::Matches(const Unit& unit, Attributes& attributes, RuleMatch& match) const {
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

void RuleIndex::Visit(uint32_t number, Attributes& attributes, RuleMatch& best,
                      uint32_t& best_unit) const {
  const Node& node = nodes_[number];
  for (const uint32_t unit : node.units) {
    if (unit >= best_unit) return;
    if (Matches(units_[unit], attributes, best)) {
      best_unit = unit;
      return;
    }
  }
  if (node.children.empty()) return;
  if (node.rest != 0) Visit(node.rest, attributes, best, best_unit);
  const Reading reading = effect_ == Effect::kRefuses ? Reading::kWidened : Reading::kAsSent;
  const Values values = attributes.Get(node.attribute, reading);
  const bool unknown = !values.readable || (node.attribute == Attribute::kServiceAccount &&
                                            attributes.has_unusual_id());
  if (unknown) {
    for (const uint32_t child : node.children) Visit(child, attributes, best, best_unit);
    return;
  }
  // The list changes with the next question.
  std::array<absl::string_view, kMaxValues> texts;
  const size_t count = std::min(values.texts.size(), texts.size());
  std::copy_n(values.texts.begin(), count, texts.begin());
  for (size_t i = 0; i < count; ++i) {
    node.literals.Find(texts[i], [&](uint32_t literal) {
      Visit(node.children[literal], attributes, best, best_unit);
    });
  }
}

RuleMatch RuleIndex::Find(Attributes& attributes) const {
  RuleMatch best;
  uint32_t best_unit = UINT32_MAX;
  if (!nodes_.empty()) {
    Visit(static_cast<uint32_t>(nodes_.size() - 1), attributes, best, best_unit);
  }
  return best;
}

}  // namespace kith::policy
