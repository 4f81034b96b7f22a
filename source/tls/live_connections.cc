#include "source/tls/live_connections.h"

#include <algorithm>
#include <vector>

#include "source/tls/tls_connection.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

Standing StandingOf(const TlsConnection& connection, const Context& newest) {
  const absl::optional<Peer>& peer = connection.handshake().peer;
  const absl::Time now = newest.options().clock->Now();
  if (peer.has_value()) {
    Standing standing = CheckStanding(*peer, newest.bundle(), now, newest.rules().peer);
    if (!standing.status.ok()) return standing;
  }
  // Established connections outlive a break-glass by nothing.
  const bool was_broken = connection.context().rules().break_glass_until > absl::InfinitePast();
  if (was_broken && newest.rules().break_glass_until <= now) {
    absl::Time end = connection.context().identity().not_after();
    if (peer.has_value()) end = std::min(end, peer->not_after);
    if (end <= now) {
      return {absl::UnauthenticatedError("its certificate has ended and so has the break-glass"),
              Reason::kConnectionExpired};
    }
  }
  return {};
}

}  // namespace

void LiveConnections::Recheck(const Context& newest, absl::FunctionRef<void(Reason)> ended) {
  const std::vector<TlsConnection*> before(all_.begin(), all_.end());
  for (TlsConnection* connection : before) {
    // The end of one may have been the end of another, such as a tunnel's other side.
    if (!all_.contains(connection)) continue;
    const Standing standing = StandingOf(*connection, newest);
    if (standing.status.ok()) continue;
    ended(standing.reason);
    connection->EndUntrusted(standing);
  }
}

}  // namespace kith::tls
