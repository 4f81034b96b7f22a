// The part of Helm's template language that Kith's chart keeps to: {{ .Path }}, {{ toJson .Path }},
// and {{- if .Path }}, {{- else }}, {{- end }} on lines of their own.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT "file:line: what is wrong" for all else, and, unlike Helm, for a path
// that leads nowhere: what is missing is never installed as "<no value>".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/inject/json.h"

namespace kith::ctl {

// `scope` holds Values, Release and Chart.
absl::StatusOr<std::string> RenderTemplate(absl::string_view text, const std::string& file,
                                           const inject::Json& scope);

}  // namespace kith::ctl
