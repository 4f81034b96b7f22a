// Tests of policies, as their users write them: a mesh, a workload, its policies, and requests with
// the answer each must get. Decided by the sidecar's own engine and path normalization.
// Threads: one. Owns: everything it read.
// Errors: INVALID_ARGUMENT "file:line: field: what is wrong" for a suite that cannot be read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/config/document.h"

namespace kith::ctl {

struct CaseResult {
  std::string suite;
  std::string name;
  bool passed = false;
  std::string expected, got;  // "allow", "deny"; "invalid", "valid" of a suite's loading.
  std::string explanation;
};

struct SuiteResult {
  std::vector<CaseResult> cases;
  bool unreadable = false;  // Its policies were refused, and it did not expect that.
};

// Every suite of a file's text. `policies` apply to each beside its own.
absl::StatusOr<std::vector<SuiteResult>> RunSuites(absl::string_view text, absl::string_view file,
                                                   const std::vector<config::Document>& policies);

}  // namespace kith::ctl
