// The pieces of Prometheus' text format 0.0.4: what is written is read back as it was meant,
// whatever bytes a label holds. Threads: any. Owns: nothing; they append to the caller's string.
// Errors: none.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "source/telemetry/family.h"

namespace kith::telemetry {

// The # HELP and # TYPE lines.
void AppendHeader(const Family& family, std::string& out);
// The shortest digits that read back as the same number; +Inf, -Inf and NaN by these names.
void AppendNumber(double value, std::string& out);
// name="value". What is not UTF-8 becomes U+FFFD: a scrape with one wrong byte is refused whole.
void AppendLabel(absl::string_view name, absl::string_view value, std::string& out);

}  // namespace kith::telemetry
