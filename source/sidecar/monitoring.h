// The sidecar's read-only port: /metrics, /healthz/ready, /healthz/live, and the application's
// probes (application_probes.h). Threads: the loop's. Owns: the server. Metrics and probes must
// outlive it. Errors: when the address cannot be bound.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"
#include "source/http/embedded_server.h"
#include "source/sidecar/application_probes.h"
#include "source/telemetry/metrics.h"

namespace kith::sidecar {

// `not_ready` says why the sidecar is not ready; empty when it is.
absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateMonitoring(
    event::Loop& loop, const base::SocketAddress& address, const telemetry::Metrics& metrics,
    absl::AnyInvocable<std::vector<std::string>()> not_ready, ApplicationProbes& probes);

}  // namespace kith::sidecar
