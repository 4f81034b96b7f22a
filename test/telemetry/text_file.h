// Reads a file of the source tree that a test names in `data`.
// Threads: any. Owns: nothing. Errors: an empty text when it is not there.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace kith::test {

std::string ReadText(const std::string& path);

// What stands between `before` and the next `after`, for every `before`, in order.
std::vector<std::string> AllBetween(absl::string_view text, absl::string_view before,
                                    absl::string_view after);

}  // namespace kith::test
