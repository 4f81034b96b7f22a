#include "source/policy/literal_index.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace kith::policy {

uint32_t LiteralIndex::Add(const Literal& literal) {
  const auto number = static_cast<uint32_t>(entries_.size());
  const auto [found, added] =
      numbers_.try_emplace(absl::StrCat(static_cast<int>(literal.kind), literal.text), number);
  if (added) entries_.push_back({literal.kind, std::string(literal.text)});
  return found->second;
}

uint64_t LiteralIndex::HashOf(const Entry& entry) const {
  const absl::string_view text = entry.text;
  if (entry.kind == Literal::Kind::kExact) return Extend(kExactSeed, text);
  const bool prefix = entry.kind == Literal::Kind::kPrefix;
  uint64_t hash = prefix ? kPrefixSeed : kSuffixSeed;
  size_t done = 0;
  for (const uint32_t length : prefix ? prefix_lengths_ : suffix_lengths_) {
    if (length > text.size()) break;
    hash = Extend(hash, text.substr(prefix ? done : text.size() - length, length - done));
    done = length;
  }
  return hash;
}

void LiteralIndex::Seal() {
  numbers_ = {};
  for (const Entry& entry : entries_) {
    if (entry.kind == Literal::Kind::kExact) has_exact_ = true;
    if (entry.kind == Literal::Kind::kPrefix) {
      prefix_lengths_.push_back(static_cast<uint32_t>(entry.text.size()));
    }
    if (entry.kind == Literal::Kind::kSuffix) {
      suffix_lengths_.push_back(static_cast<uint32_t>(entry.text.size()));
    }
  }
  for (std::vector<uint32_t>* lengths : {&prefix_lengths_, &suffix_lengths_}) {
    std::sort(lengths->begin(), lengths->end());
    lengths->erase(std::unique(lengths->begin(), lengths->end()), lengths->end());
  }
  size_t size = 2;
  while (size < entries_.size() * 2) size *= 2;
  slots_.assign(size, Slot());
  mask_ = size - 1;
  for (uint32_t number = 0; number < entries_.size(); ++number) {
    const uint64_t hash = HashOf(entries_[number]);
    size_t at = hash & mask_;
    while (slots_[at].number != kFree) at = (at + 1) & mask_;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), number};
  }
}

}  // namespace kith::policy
