// The control plane's read-only port: /metrics, /healthz/ready, /healthz/live. It is opened last,
// so whoever is answered at all finds a control plane that serves. Threads: the loop's. Owns: the
// server. Metrics must outlive it. Errors: when the address cannot be bound.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "source/base/socket_address.h"
#include "source/controlplane/route.h"
#include "source/event/loop.h"
#include "source/http/embedded_server.h"
#include "source/telemetry/metrics.h"

namespace kith::controlplane {

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateMonitoring(
    event::Loop& loop, const base::SocketAddress& address, const telemetry::Metrics& metrics,
    std::vector<Route> routes);

}  // namespace kith::controlplane
