// What the admin socket tells of decisions, as JSON, for kithctl authz and strict-readiness:
//   GET /v1/policies    what decides: {"mesh", "workload", "mtls", "policies"}, in the form of a
//                       test suite (docs/authorization-tests.md) but for "mtls"
//   GET /v1/decisions?request_id=…&limit=…  {"kept": per worker, "lines": [access-log lines]}
//   GET /v1/plaintext   {"sources": [{"ip", "port", "connections", "last"}], "beyond": n}
// Threads: the loop's. Owns: nothing; what it refers to outlives the answer.
// Errors: 503 before the configuration has come.
#pragma once

#include "source/control/discovery_client.h"
#include "source/http/embedded_message.h"
#include "source/sidecar/bootstrap.h"
#include "source/sidecar/workers.h"

namespace kith::sidecar {

struct DecisionSources {
  const Bootstrap& bootstrap;
  const control::DiscoveryClient& discovery;
  Workers& workers;
};

// False when the path is none of these; `responder` is then not used.
bool AnswerDecisions(const DecisionSources& sources, const http::EmbeddedRequest& request,
                     http::EmbeddedResponder& responder);

}  // namespace kith::sidecar
