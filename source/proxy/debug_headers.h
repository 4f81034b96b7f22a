// The decision on a request, told in its response to a caller whom an administrator has named for a
// time; nobody else learns more than a status.
//   x-kith-decision: allow;policy="demo/readers";rule=0;from=0;to=0;request="b7ad…"
//   x-kith-decision: deny;reason=policy_denied;detail="no rule matched …";request="b7ad…"
// An item with parameters (RFC 8941 §3.3); policy, rule and its clauses are what decided, if any
// did.
// Threads: the worker's loop. Owns: nothing. Errors: none; what has no place in the header's text
// becomes "?", and what is long is cut.
#pragma once

#include <string>
#include <vector>

#include "source/proxy/exchange.h"
#include "source/tls/peer.h"

namespace kith::proxy {

inline constexpr absl::string_view kDecisionHeader = "x-kith-decision";

// Whether `peer` is one of `callers`, which are SPIFFE IDs. Null is nobody.
bool IsDebugged(const std::vector<std::string>& callers, const tls::Peer* peer);

// The response to a request gains the header. Not for a verdict that is still to come.
void TellDecision(const RequestRecord& record, Routing& routing);

}  // namespace kith::proxy
