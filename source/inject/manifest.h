// YAML files of Kubernetes objects, part by part: what is not changed is written back byte for
// byte, comments and spacing included. Threads: any, pure. Owns: plain values. Errors:
// INVALID_ARGUMENT "file:line: what is wrong".
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/inject/json.h"

namespace kith::inject {

// What lies between two lines "---".
struct ManifestPart {
  std::string separator;  // The line before it; empty for the first.
  std::string text;       // As it was read.
  Json object;            // Null when there is none: only comments.

  // With `object` written anew, below the comments that stood above it.
  std::string Rewritten() const;
};

// JSON is YAML, too. Scalars mean what they mean to kubectl, e.g. 0644 is octal and `on` is true.
absl::StatusOr<std::vector<ManifestPart>> ParseManifest(absl::string_view text,
                                                        const std::string& file);

// In block style, strings quoted where they would mean something else.
std::string ToYaml(const Json& json);

}  // namespace kith::inject
