// Single values of a rule's lists that do not mean what they seem to.
// Threads: any, pure. Owns: nothing. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/policy/attributes.h"

namespace kith::policy {

// An empty code: nothing is wrong.
struct ValueProblem {
  absl::string_view code;
  std::string what, fix;
};

// `trust_domains`: the mesh's, its aliases, and those it is federated with.
ValueProblem CheckMeaning(Attribute attribute, absl::string_view value,
                          absl::Span<const std::string> trust_domains);

}  // namespace kith::policy
