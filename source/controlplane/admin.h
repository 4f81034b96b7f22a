// The control plane's admin socket (UNIX, mode 0600): status, and tokens for machines without
// Kubernetes. Who may open the socket may have any identity of the mesh.
//   GET  /v1/status
//   POST /v1/tokens {"namespace": …, "serviceAccount": …, "ttl": "24h"}
//   POST /v1/join-tokens, the same: for a single use
// and the routes that other parts bring.
// Threads: the loop's. Owns: the server. What it reports on must outlive it.
// Errors: Create() when the socket cannot be made; bad requests are answered with {"error": …}.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/base/socket_address.h"
#include "source/controlplane/ca/join_tokens.h"
#include "source/controlplane/ca/token_issuer.h"
#include "source/controlplane/route.h"
#include "source/event/loop.h"
#include "source/http/embedded_server.h"

namespace kith::controlplane {

struct AdminOptions {
  base::SocketAddress socket;
  const TokenIssuer* tokens = nullptr;
  JoinTokens* joins = nullptr;
  absl::AnyInvocable<std::string()> status;  // The JSON of GET /v1/status.
  std::vector<Route> routes = {};
};

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateAdmin(event::Loop& loop,
                                                                  AdminOptions options);

}  // namespace kith::controlplane
