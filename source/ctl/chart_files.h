// The Helm chart deploy/helm/kith as it was when this program was built.
// Threads: any. Owns: nothing; the texts are constants. Errors: none.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kith::ctl {

struct EmbeddedFile {
  absl::string_view name;  // "templates/service.yaml".
  absl::string_view text;
};

// By name.
absl::Span<const EmbeddedFile> ChartFiles();

}  // namespace kith::ctl
