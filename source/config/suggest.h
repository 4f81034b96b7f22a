// The name that a misspelt one was probably meant to be.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace kith::config {

// The nearest of `names` that differs in letter case only or by at most two edits (an insertion, a
// deletion, a replacement, or two neighbours swapped); empty when none is near.
std::string Nearest(absl::string_view word, const std::vector<std::string>& names);

}  // namespace kith::config
