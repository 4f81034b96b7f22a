// Principals across the names that one mesh's trust domain has had.
// Threads: any, pure. Owns: nothing. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kith::policy {

// The patterns that a principal stands for. `trust_domains` are the mesh's own and its aliases. A
// pattern of five parts (trust domain, "ns", namespace, "sa", account) whose trust domain is one of
// them, or "cluster.local", which means "this mesh", stands for itself in each of them; any other
// pattern for itself alone.
std::vector<std::string> ExpandPrincipal(absl::string_view pattern,
                                         absl::Span<const std::string> trust_domains);

// Likewise of a pattern for trust domains alone: one of the mesh's, written out, stands for all of
// them.
std::vector<std::string> ExpandTrustDomain(absl::string_view pattern,
                                           absl::Span<const std::string> trust_domains);

}  // namespace kith::policy
