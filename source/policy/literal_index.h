// Finds which of many literals a text equals, begins with or ends with, at a cost that grows with
// the number of their distinct lengths, not with their number.
// Threads: immutable once sealed; Find() neither locks nor allocates. Owns: the literals.
// Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "source/policy/pattern.h"

namespace kith::policy {

class LiteralIndex {
 public:
  // The literal's number: a new one, from 0 on, or that of an equal one added before. Not kNone.
  uint32_t Add(const Literal& literal);
  // Before the first Find(), after the last Add().
  void Seal();

  // Calls `visit` with the number of every literal that `value` has.
  template <typename Visit>
  void Find(absl::string_view value, Visit visit) const {
    if (has_exact_) Probe(Literal::Kind::kExact, Extend(kExactSeed, value), value, visit);
    uint64_t hash = kPrefixSeed;
    size_t done = 0;
    for (const uint32_t length : prefix_lengths_) {
      if (length > value.size()) break;
      hash = Extend(hash, value.substr(done, length - done));
      done = length;
      Probe(Literal::Kind::kPrefix, hash, value.substr(0, length), visit);
    }
    hash = kSuffixSeed;
    done = 0;
    for (const uint32_t length : suffix_lengths_) {
      if (length > value.size()) break;
      hash = Extend(hash, value.substr(value.size() - length, length - done));
      done = length;
      Probe(Literal::Kind::kSuffix, hash, value.substr(value.size() - length), visit);
    }
  }

 private:
  struct Pending {
    Literal::Kind kind;
    std::string text;
  };
  // Everything but the text itself, so that what follows from a literal can be fetched while its
  // text is still being compared.
  struct Slot {
    uint32_t hash = 0;
    uint32_t number = kFree;
    uint32_t text = 0;  // Where it begins in `texts_`.
    uint32_t size : 30 = 0;
    uint32_t kind : 2 = 0;
  };
  static constexpr uint32_t kFree = UINT32_MAX, kMaxSize = (1U << 30) - 1;
  static constexpr uint64_t kExactSeed = 0x9e3779b97f4a7c15, kPrefixSeed = 0xc2b2ae3d27d4eb4f,
                            kSuffixSeed = 0x165667b19e3779f9;

  // The hash of a text that goes on with `bytes`. Hashes of one text in other pieces differ: pieces
  // are cut at the same lengths when literals are placed and when they are looked for.
  static uint64_t Extend(uint64_t hash, absl::string_view bytes) {
    const char* at = bytes.data();
    size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      hash = Mix(hash ^ word);
    }
    if (left == 0) return hash;
    uint64_t word = 0;
    std::memcpy(&word, at, left);
    return Mix(hash ^ word ^ (uint64_t{left} << 56));
  }
  static uint64_t Mix(uint64_t value) {
    value *= 0xff51afd7ed558ccd;
    return value ^ (value >> 32);
  }

  template <typename Visit>
  void Probe(Literal::Kind kind, uint64_t hash, absl::string_view text, Visit& visit) const {
    const auto check = static_cast<uint32_t>(hash >> 32);
    const size_t bit = check & filter_mask_;
    if ((filter_[bit / 64] >> (bit % 64) & 1) == 0) return;
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.number == kFree) return;
      if (slot.hash != check || slot.kind != static_cast<uint32_t>(kind)) continue;
      if (text == absl::string_view(texts_.data() + slot.text, slot.size)) {
        visit(slot.number);
        return;
      }
    }
  }
  uint64_t HashOf(const Pending& pending) const;

  // Until Seal().
  std::vector<Pending> pending_;
  absl::flat_hash_map<std::string, uint32_t> numbers_;

  std::vector<uint32_t> prefix_lengths_, suffix_lengths_;  // Ascending, distinct.
  bool has_exact_ = false;
  // Most lengths of a text are not a literal: a bit for each hash there is says so from memory that
  // stays in the cache.
  std::vector<uint64_t> filter_;
  size_t filter_mask_ = 0;
  std::vector<Slot> slots_;
  size_t mask_ = 0;
  std::string texts_;
};

}  // namespace kith::policy
