// What an inbound request has to pass before it goes to the application: its token
// (RequestAuthentication), the authorization policies, the rate limits, in this order.
// Threads: the worker's loop. Owns: nothing. Errors: a refusal, with its reason in the record.
#pragma once

#include "source/policy/policy_set.h"
#include "source/policy/request.h"
#include "source/proxy/exchange.h"
#include "source/proxy/stored_request.h"
#include "source/proxy/worker_state.h"

namespace kith::proxy {

// What the policies say. One that would ask an external authorizer denies: there is none to ask,
// and the control plane takes no such policy. Conditions on certificate attributes get the
// restrictive answer.
policy::Decision Decide(const policy::PolicySet& policies, const policy::Request& known);

// `connection` tells of the peer; the rest is filled in from `request`, which loses what a rule
// takes out and gains what one writes.
Routing JudgeRequest(WorkerState& worker, const policy::Request& connection, StoredRequest& request,
                     RequestRecord& record);

// The same for a connection that is no HTTP, its policies decided already. False when a limit is
// reached; `policy` is then its name.
bool JudgeConnection(WorkerState& worker, const policy::Request& connection, std::string& policy);

}  // namespace kith::proxy
