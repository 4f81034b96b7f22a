// CUSTOM: the question that a policy puts to an external authorizer before anything else is
// decided, and what its answer means for the connection or request.
// Threads: the worker's loop. Owns: a question under way belongs to who asks.
// Errors: an authorizer that is not there, does not answer or makes no sense refuses, unless its
// provider says failOpen; counted and with its reason either way.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "source/extauthz/verdict.h"
#include "source/proxy/exchange.h"

namespace kith::proxy {

struct CustomAnswer {
  bool allowed = false;
  telemetry::Reason reason = telemetry::Reason::kNone;  // Of a refusal.
  std::string detail;                                   // For logs.
  policy::Decision decision;  // Of a refusal: the policy that asked, and its rule.
  // What an HTTP client gets of a refusal; what changes in a request that goes on.
  extauthz::Verdict verdict;
};

// What one question needs. The policies stay those that asked: an answer is never read by others.
struct CustomQuestion {
  std::shared_ptr<const policy::PolicySet> policies;
  policy::CustomMatch match;  // Of `policies`.
  extauthz::Question question;
};

// Calls `done` once, never before it returns; destroying the result withdraws the question, inside
// `done` it goes to Loop::DeleteLater() instead.
std::unique_ptr<event::Deletable> AskCustom(WorkerState& worker, CustomQuestion question,
                                            absl::AnyInvocable<void(CustomAnswer)> done);

// Makes an allowed request what it is when it goes on: nothing that its client could have forged in
// the authorizer's name, and what the authorizer sets.
void ApplyCustom(WorkerState& worker, absl::string_view provider, const extauthz::Verdict& verdict,
                 StoredRequest& request);

// Asks about a connection that is no HTTP. Null: no policy wants it. An HTTP authorizer has nothing
// to go by there, so its policies do not count.
std::unique_ptr<event::Deletable> AskAboutConnection(WorkerState& worker,
                                                     const policy::Request& connection,
                                                     absl::string_view own_principal,
                                                     absl::AnyInvocable<void(CustomAnswer)> done);

}  // namespace kith::proxy
