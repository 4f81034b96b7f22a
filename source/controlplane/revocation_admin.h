// The admin socket's routes for revocation:
//   POST /v1/ca/revoke      {"serial": … or "principal": …, "reason": "keyCompromise"}
//   POST /v1/ca/unrevoke    {"principal": …}
//   GET  /v1/ca/revocations
// Threads: the loop's. Owns: nothing; list and publisher must outlive the routes.
// Errors: {"error": …} with 400 for a bad wish, 404 for what was not issued here, 503 when the
// change cannot be kept.
#pragma once

#include <vector>

#include "source/controlplane/ca/crl_publisher.h"
#include "source/controlplane/ca/revocation_list.h"
#include "source/controlplane/route.h"

namespace kith::controlplane {

std::vector<Route> RevocationRoutes(RevocationList& revocations, CrlPublisher& publisher);

}  // namespace kith::controlplane
