#include "source/policy/literal_index.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace kith::policy {

uint32_t LiteralIndex::Add(const Literal& literal) {
  const auto number = static_cast<uint32_t>(pending_.size());
  const auto [found, added] =
      numbers_.try_emplace(absl::StrCat(static_cast<int>(literal.kind), literal.text), number);
  if (added) pending_.push_back({literal.kind, std::string(literal.text)});
  return found->second;
}

uint64_t LiteralIndex::HashOf(const Pending& pending) const {
  const absl::string_view text = pending.text;
  if (pending.kind == Literal::Kind::kExact) return Extend(kExactSeed, text);
  const bool prefix = pending.kind == Literal::Kind::kPrefix;
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
  for (const Pending& pending : pending_) {
    if (pending.kind == Literal::Kind::kExact) has_exact_ = true;
    if (pending.kind == Literal::Kind::kPrefix) {
      prefix_lengths_.push_back(static_cast<uint32_t>(pending.text.size()));
    }
    if (pending.kind == Literal::Kind::kSuffix) {
      suffix_lengths_.push_back(static_cast<uint32_t>(pending.text.size()));
    }
  }
  for (std::vector<uint32_t>* lengths : {&prefix_lengths_, &suffix_lengths_}) {
    std::sort(lengths->begin(), lengths->end());
    lengths->erase(std::unique(lengths->begin(), lengths->end()), lengths->end());
  }
  size_t size = 8;
  while (size * 3 < pending_.size() * 4) size *= 2;
  slots_.assign(size, Slot());
  mask_ = size - 1;
  filter_.assign(size / 8, 0);
  filter_mask_ = size * 8 - 1;
  for (uint32_t number = 0; number < pending_.size(); ++number) {
    const Pending& pending = pending_[number];
    const uint64_t hash = HashOf(pending);
    const auto check = static_cast<uint32_t>(hash >> 32);
    const size_t bit = check & filter_mask_;
    filter_[bit / 64] |= uint64_t{1} << (bit % 64);
    size_t at = hash & mask_;
    while (slots_[at].number != kFree) at = (at + 1) & mask_;
    Slot& slot = slots_[at];
    slot.hash = check;
    slot.number = number;
    slot.text = static_cast<uint32_t>(texts_.size());
    slot.size = static_cast<uint32_t>(pending.text.size()) & kMaxSize;
    slot.kind = static_cast<uint32_t>(pending.kind) & 3;
    texts_ += pending.text;
  }
  pending_ = {};
}

}  // namespace kith::policy
