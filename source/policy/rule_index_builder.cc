#include "source/policy/rule_index_builder.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::policy {
namespace {

// So few units are looked at one by one.
constexpr size_t kLeaf = 4;
// A rule with more combinations of from and to is split along its longer side only.
constexpr size_t kMaxProduct = 64;

const Predicate* PositiveOn(const Conjunction& predicates, Attribute attribute) {
  for (const Predicate& predicate : predicates) {
    if (predicate.attribute == attribute && predicate.sense == Predicate::Sense::kPositive) {
      return &predicate;
    }
  }
  return nullptr;
}

// A value without a literal may match any text.
bool AllHaveLiterals(const Predicate& predicate) {
  const auto patterns = predicate.values.patterns();
  return std::all_of(patterns.begin(), patterns.end(), [](const Pattern& pattern) {
    return pattern.literal().kind != Literal::Kind::kNone;
  });
}

// Those of the range, if each of its clauses asks for the attribute.
std::vector<const Predicate*> OfClauses(const std::vector<Conjunction>& clauses, int begin, int end,
                                        Attribute attribute) {
  std::vector<const Predicate*> found;
  for (int i = begin; i < end; ++i) {
    const Predicate* predicate = PositiveOn(clauses[static_cast<size_t>(i)], attribute);
    if (predicate == nullptr || !AllHaveLiterals(*predicate)) return {};
    found.push_back(predicate);
  }
  return found;
}

}  // namespace

void RuleIndexBuilder::AddUnits(const RuleTable& rule) {
  const int from = static_cast<int>(rule.from.size()), to = static_cast<int>(rule.to.size());
  const size_t product =
      std::max<size_t>(rule.from.size(), 1) * std::max<size_t>(rule.to.size(), 1);
  const bool split_from = from > 0 && (product <= kMaxProduct || from >= to);
  const bool split_to = to > 0 && (product <= kMaxProduct || to > from);
  for (int f = 0; f < (split_from ? from : 1); ++f) {
    for (int t = 0; t < (split_to ? to : 1); ++t) {
      index_.units_.push_back({&rule, split_from ? f : 0, split_from ? f + 1 : from,
                               split_to ? t : 0, split_to ? t + 1 : to});
    }
  }
}

void RuleIndexBuilder::Build() {
  Candidates all;
  for (uint32_t unit = 0; unit < index_.units_.size(); ++unit) all.push_back({unit, 0});
  if (all.empty()) return;
  index_.root_ = BuildBranch(std::move(all), (AttributeMask{1} << kIndexedAttributes) - 1);
}

std::vector<const Predicate*> RuleIndexBuilder::PredicatesOn(const RuleIndex::Unit& unit,
                                                             Attribute attribute) const {
  const Predicate* when = PositiveOn(unit.rule->when, attribute);
  if (when != nullptr && AllHaveLiterals(*when)) return {when};
  auto found = OfClauses(unit.rule->from, unit.from_begin, unit.from_end, attribute);
  if (!found.empty()) return found;
  return OfClauses(unit.rule->to, unit.to_begin, unit.to_end, attribute);
}

bool RuleIndexBuilder::AskedOf(uint32_t unit, Attribute attribute, std::vector<Asked>& out) const {
  out.clear();
  const auto predicates = PredicatesOn(index_.units_[unit], attribute);
  for (const Predicate* predicate : predicates) {
    for (const Pattern& pattern : predicate->values.patterns()) {
      out.push_back({pattern.literal(), predicates.size() == 1 && pattern.is_its_literal()});
    }
  }
  return !predicates.empty();
}

double RuleIndexBuilder::Cost(const Candidates& candidates, Attribute attribute) const {
  absl::flat_hash_map<std::string, size_t> postings;
  size_t rest = 0, total = 0;
  std::vector<Asked> asked;
  for (const Candidate& candidate : candidates) {
    if (!AskedOf(candidate.unit, attribute, asked)) {
      ++rest;
      continue;
    }
    for (const Asked& each : asked) {
      ++postings[absl::StrCat(static_cast<int>(each.literal.kind), each.literal.text)];
      ++total;
    }
  }
  // A tree that repeats its units over and over is larger than the time it saves is worth.
  const double all = static_cast<double>(candidates.size());
  if (total == 0 || total > 8 * candidates.size() + 4096) return all + 1;
  double squares = 0;
  for (const auto& [literal, count] : postings) {
    squares += static_cast<double>(count) * static_cast<double>(count);
  }
  return static_cast<double>(rest) + squares / static_cast<double>(total);
}

RuleIndex::Branch RuleIndexBuilder::BuildBranch(Candidates candidates, AttributeMask left) {
  RuleIndex::Node node;
  double best_cost = static_cast<double>(candidates.size()) * 0.75;
  bool split = false;
  for (int i = 0; candidates.size() > kLeaf && i < kIndexedAttributes; ++i) {
    if ((left >> i & 1) == 0) continue;
    const auto attribute = static_cast<Attribute>(i);
    const double cost = Cost(candidates, attribute);
    if (cost >= best_cost) continue;
    best_cost = cost;
    node.attribute = attribute;
    split = true;
  }
  if (!split) return BuildLeaves(candidates);

  const AttributeMask bit = AttributeMask{1} << static_cast<int>(node.attribute);
  std::vector<Candidates> postings;
  Candidates rest;
  std::vector<Asked> asked;
  for (const Candidate& candidate : candidates) {
    if (!AskedOf(candidate.unit, node.attribute, asked)) {
      rest.push_back(candidate);
      continue;
    }
    for (const Asked& each : asked) {
      const uint32_t number = node.literals.Add(each.literal);
      if (number == postings.size()) postings.emplace_back();
      Candidates& posting = postings[number];
      if (posting.empty() || posting.back().unit != candidate.unit) posting.push_back(candidate);
      if (each.proves) posting.back().proven |= bit;
    }
  }
  candidates = {};
  node.literals.Seal();
  left &= ~bit;
  if (!rest.empty()) node.rest = BuildBranch(std::move(rest), left);
  for (Candidates& posting : postings) {
    node.children.push_back(BuildBranch(std::move(posting), left));
  }
  index_.nodes_.push_back(std::move(node));
  return {static_cast<uint32_t>(index_.nodes_.size() - 1), 0};
}

RuleIndex::Branch RuleIndexBuilder::BuildLeaves(const Candidates& candidates) {
  const auto begin = static_cast<uint32_t>(index_.leaves_.size());
  for (const Candidate& candidate : candidates) {
    index_.leaves_.push_back({candidate.unit, 0, PredicatesLeft(candidate)});
  }
  index_.leaves_.back().last = 1;
  return {begin, 1};
}

uint32_t RuleIndexBuilder::PredicatesLeft(const Candidate& candidate) {
  const RuleIndex::Unit& unit = index_.units_[candidate.unit];
  if (unit.from_end - unit.from_begin > 1 || unit.to_end - unit.to_begin > 1) {
    return RuleIndex::Leaf::kWhole;
  }
  const auto [known, added] =
      left_.try_emplace(uint64_t{candidate.unit} << 32 | candidate.proven, 0);
  if (!added) return known->second;
  std::vector<const Predicate*> proven;
  for (int i = 0; i < kIndexedAttributes; ++i) {
    if ((candidate.proven >> i & 1) == 0) continue;
    proven.push_back(PredicatesOn(unit, static_cast<Attribute>(i)).front());
  }
  std::vector<const Predicate*> left;
  const auto add = [&](const Conjunction& predicates) {
    for (const Predicate& predicate : predicates) {
      if (std::find(proven.begin(), proven.end(), &predicate) == proven.end()) {
        left.push_back(&predicate);
      }
    }
  };
  if (unit.from_begin < unit.from_end) add(unit.rule->from[static_cast<size_t>(unit.from_begin)]);
  if (unit.to_begin < unit.to_end) add(unit.rule->to[static_cast<size_t>(unit.to_begin)]);
  add(unit.rule->when);
  known->second = index_.predicates_.Add(left);
  return known->second;
}

}  // namespace kith::policy
