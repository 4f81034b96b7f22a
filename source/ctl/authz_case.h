// One request of a policy test, read and decided.
// Threads: one. Owns: nothing between calls. Errors: INVALID_ARGUMENT "file:line: field: ...".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "source/config/yaml.h"
#include "source/http/path.h"
#include "source/policy/peer_authentication.h"
#include "source/policy/policy_set.h"

namespace kith::ctl {

// What decides in a suite.
struct CaseContext {
  std::string file;
  std::shared_ptr<const policy::PolicySet> policies;
  policy::EffectiveMtls mtls;
  http::PathMode path_mode = http::PathMode::kDecodeAndMergeSlashes;
  std::vector<std::string> space_delimited;
};

struct Verdict {
  bool allowed = false;
  std::string explanation;
};

absl::Status FieldError(const CaseContext& context, const config::Node& node,
                        absl::string_view field, absl::string_view what);
// An error for a member of `node` that is none of `known`.
absl::Status CheckMembers(const CaseContext& context, const config::Node& node,
                          absl::string_view field, std::initializer_list<absl::string_view> known);

// `request` is the case's map.
absl::StatusOr<Verdict> DecideCase(const CaseContext& context, const config::Node& request);

}  // namespace kith::ctl
