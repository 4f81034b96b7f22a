// What an inbound request has to pass before it goes to the application: an external authorizer
// where a CUSTOM policy asks one, its token (RequestAuthentication), the authorization policies,
// the rate limits, in this order. Threads: the worker's loop. Owns: nothing; a verdict that is
// still to come belongs to who asks. Errors: a refusal, with its reason in the record.
#pragma once

#include "source/policy/policy_set.h"
#include "source/policy/request.h"
#include "source/proxy/exchange.h"
#include "source/proxy/stored_request.h"
#include "source/proxy/worker_state.h"

namespace kith::proxy {

// A request to be judged.
struct Case {
  policy::Request connection;       // Tells of the peer; the rest is filled in from `request`.
  absl::string_view own_principal;  // That the peer sees.
  StoredRequest& request;           // Loses what a rule takes out, gains what one writes.
  RequestRecord& record;
};

// `decided` is called only where the answer is Routing::Pending(); what the case borrows outlives
// the wait.
Routing JudgeRequest(WorkerState& worker, const Case& of, HttpSession::Decided decided);

// The same for a connection that is no HTTP, its policies decided already. False when a limit is
// reached; `policy` is then its name.
bool JudgeConnection(WorkerState& worker, const policy::Request& connection, std::string& policy);

}  // namespace kith::proxy
