// The version of all three programs.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include "absl/strings/string_view.h"

namespace kith::base {

inline constexpr absl::string_view kVersion = "0.1.0";

}  // namespace kith::base
