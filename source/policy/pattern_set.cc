#include "source/policy/pattern_set.h"

#include <algorithm>
#include <utility>

namespace kith::policy {
namespace {

// Up to here comparing one by one is faster than looking up.
constexpr size_t kShort = 8;

}  // namespace

PatternSet::PatternSet(std::vector<Pattern> patterns) : patterns_(std::move(patterns)) {
  has_present_ = std::any_of(patterns_.begin(), patterns_.end(),
                             [](const Pattern& pattern) { return pattern.is_present(); });
  if (patterns_.size() <= kShort) return;
  auto index = std::make_shared<Index>();
  for (uint32_t i = 0; i < patterns_.size(); ++i) {
    const Literal literal = patterns_[i].literal();
    if (literal.kind == Literal::Kind::kNone) {
      index->others.push_back(i);
      continue;
    }
    const uint32_t number = index->literals.Add(literal);
    if (number == index->patterns.size()) index->patterns.emplace_back();
    index->patterns[number].push_back(i);
  }
  index->literals.Seal();
  index_ = std::move(index);
}

bool PatternSet::Matches(absl::string_view value) const {
  const auto matches = [&](uint32_t i) { return patterns_[i].Matches(value); };
  if (index_ == nullptr) {
    return std::any_of(patterns_.begin(), patterns_.end(),
                       [&](const Pattern& pattern) { return pattern.Matches(value); });
  }
  if (std::any_of(index_->others.begin(), index_->others.end(), matches)) return true;
  bool found = false;
  index_->literals.Find(value, [&](uint32_t number) {
    const std::vector<uint32_t>& patterns_of = index_->patterns[number];
    found = found || std::any_of(patterns_of.begin(), patterns_of.end(), matches);
  });
  return found;
}

}  // namespace kith::policy
