#include "source/config/suggest.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace kith::config {
namespace {

// Damerau-Levenshtein distance in its restricted form (optimal string alignment).
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

std::string Nearest(absl::string_view word, const std::vector<std::string>& names) {
  constexpr size_t kMaxDistance = 2;
  std::string nearest;
  size_t smallest = kMaxDistance + 1;
  for (const std::string& name : names) {
    if (absl::EqualsIgnoreCase(name, word)) return name;
    if (std::max(name.size(), word.size()) - std::min(name.size(), word.size()) > kMaxDistance) {
      continue;
    }
    // Names of a letter or two are near to everything.
    const size_t distance = Distance(word, name);
    if (distance < smallest && distance < name.size()) {
      smallest = distance;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace kith::config
