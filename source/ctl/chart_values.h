// A chart's values: its own, with a person's over them, and the schema that says what may stand
// there.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT that names the value by its path: "webhook.failurePolicy: …".
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "source/inject/json.h"

namespace kith::ctl {

// As Helm merges: maps member by member, all else is replaced.
void MergeValues(const inject::Json& over, inject::Json& values);

// "KEY=VALUE[,KEY=VALUE…]", as helm's --set has it: a key is a path parted by dots; true, false,
// null and whole numbers are what they look like, all else is text; a backslash before a dot, a
// comma or an equals sign takes its meaning away. Lists and maps are written in a file.
absl::Status SetValues(absl::string_view assignments, inject::Json& values);

// The part of JSON Schema that the chart's schema uses; INTERNAL for a keyword outside of it.
absl::Status CheckValues(const inject::Json& values, const inject::Json& schema);

}  // namespace kith::ctl
