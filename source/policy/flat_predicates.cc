#include "source/policy/flat_predicates.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/string_view.h"

namespace kith::policy {
namespace {

// More of them are looked up, which PatternSet does.
constexpr size_t kMaxValues = 8;
constexpr size_t kMaxText = UINT16_MAX;

template <typename T>
void Append(const T& value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Moves `at` behind what it reads.
template <typename T>
T Read(const std::string& bytes, size_t& at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

// Its values are literals, compared with an attribute that is a few texts.
bool IsPlain(const Predicate& predicate) {
  const auto patterns = predicate.values.patterns();
  return static_cast<int>(predicate.attribute) < kIndexedAttributes &&
         predicate.attribute != Attribute::kServiceAccount && !patterns.empty() &&
         patterns.size() <= kMaxValues &&
         std::all_of(patterns.begin(), patterns.end(), [](const Pattern& pattern) {
           return pattern.is_its_literal() && pattern.literal().text.size() <= kMaxText;
         });
}

}  // namespace

uint32_t FlatPredicates::Add(absl::Span<const Predicate* const> predicates) {
  const auto place = static_cast<uint32_t>(bytes_.size());
  Append(static_cast<uint32_t>(predicates.size()), bytes_);
  for (const Predicate* predicate : predicates) {
    Head head = {.next = static_cast<uint32_t>(others_.size()),
                 .attribute = predicate->attribute,
                 .sense = predicate->sense,
                 .values = 0};
    if (!IsPlain(*predicate)) {
      others_.push_back(predicate);
      Append(head, bytes_);
      continue;
    }
    std::string values;
    for (const Pattern& pattern : predicate->values.patterns()) {
      const Literal literal = pattern.literal();
      Append(Value{static_cast<uint16_t>(literal.text.size()), literal.kind}, values);
      values.append(literal.text.data(), literal.text.size());
      ++head.values;
    }
    head.next = static_cast<uint32_t>(values.size());
    Append(head, bytes_);
    bytes_ += values;
  }
  return place;
}

bool FlatPredicates::Matches(const Head& head, size_t at, Values given) const {
  for (int i = 0; i < head.values; ++i) {
    const auto value = Read<Value>(bytes_, at);
    const Literal literal = {value.kind, absl::string_view(bytes_.data() + at, value.size)};
    at += value.size;
    if (std::any_of(given.texts.begin(), given.texts.end(),
                    [&](absl::string_view text) { return literal.IsIn(text); })) {
      return true;
    }
  }
  return false;
}

bool FlatPredicates::AllHold(uint32_t place, Attributes& attributes, Effect effect) const {
  size_t at = place;
  for (auto left = Read<uint32_t>(bytes_, at); left > 0; --left) {
    const auto head = Read<Head>(bytes_, at);
    if (head.values == 0) {
      if (!others_[head.next]->Holds(attributes, effect)) return false;
      continue;
    }
    const Values given = attributes.Get(head.attribute, ReadingFor(head.sense, effect));
    const Outcome outcome = OutcomeOf(Matches(head, at, given), given);
    if (!IsMet(outcome, head.sense, effect)) return false;
    at += head.next;
  }
  return true;
}

}  // namespace kith::policy
