// What text must be before it is parsed (UTF-8 without control characters), and how errors show it.
// Threads: any. Owns: nothing. Errors: INVALID_ARGUMENT with the line.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::config {

absl::Status CheckText(absl::string_view text, absl::string_view file);

// Whether it is UTF-8 without NUL: what a value may be once its escapes are read.
bool IsValue(absl::string_view value);

// The value in quotes, escaped to one line and cut.
std::string Quote(absl::string_view value);
// The same for a name, which needs no quotes while it consists of letters, digits and "_-./".
std::string ShowName(absl::string_view name);

}  // namespace kith::config
