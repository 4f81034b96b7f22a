// Requests as tests of policies write them (docs/authorization-tests.md).
// Threads: one. Owns: nothing between calls. Errors: INVALID_ARGUMENT "file:line: field: ...".
#pragma once

#include <initializer_list>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/config/yaml.h"
#include "source/ctl/authz_request.h"

namespace kith::ctl {

absl::Status FieldError(absl::string_view file, const config::Node& node, absl::string_view field,
                        absl::string_view what);
// An error for a member of `node` that is none of `known`.
absl::Status CheckMembers(absl::string_view file, const config::Node& node, absl::string_view field,
                          std::initializer_list<absl::string_view> known);
// A scalar's text, numbers and booleans as they are written; empty for what is not there.
absl::StatusOr<std::string> TextOf(absl::string_view file, const config::Node* node,
                                   absl::string_view field);

// The payload of a token.
policy::Claim ClaimOf(const config::Node& node);

// `node` is the case's map.
absl::StatusOr<AuthzRequest> ReadRequest(absl::string_view file, const config::Node& node);

}  // namespace kith::ctl
