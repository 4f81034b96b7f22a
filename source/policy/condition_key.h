// The `key` of a condition: which attribute a `when` asks for.
// Threads: any, pure. Owns: nothing. Errors: INVALID_ARGUMENT that quotes the key: one that is not
// known must refuse the policy, because skipping the rule would open a DENY.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/policy/attributes.h"

namespace kith::policy {

struct ConditionKey {
  Attribute attribute;
  std::string name;                // Of a header, in lower case, or a certificate's extension.
  std::vector<std::string> claim;  // The keys on the way to a claim.
};

absl::StatusOr<ConditionKey> ParseConditionKey(absl::string_view key);

// Whether a CUSTOM policy may not ask for it: who the peer or the user is, which the provider
// decides about.
bool IsIdentity(Attribute attribute);

}  // namespace kith::policy
