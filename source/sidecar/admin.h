// The sidecar's admin socket (UNIX, mode 0600): everything that shows detail or changes state.
//   GET  /v1/status
//   GET  /v1/certs
//   POST /v1/rotate   fetches a new certificate now; 202, the outcome is in /v1/certs
//   GET  /v1/break-glass
//   POST /v1/break-glass      {"seconds": 1800, "reason": "…", "who": "…"}; answers as GET does
//   POST /v1/break-glass/end  {"who": "…"}
//   GET  /v1/debug-headers
//   POST /v1/debug-headers      {"principal": "…", "seconds": 600, "who": "…"}; answers as GET does
//   POST /v1/debug-headers/end  {"principal": "…", "who": "…"}
//   GET  /v1/decisions, /v1/policies, /v1/plaintext: decisions_admin.h
// Threads: the loop's. Owns: the server. What the options refer to must outlive it.
// Errors: Create() when the socket cannot be made; other requests are answered with {"error": …}.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"
#include "source/http/embedded_server.h"
#include "source/sidecar/break_glass.h"
#include "source/sidecar/debug_headers.h"

namespace kith::sidecar {

struct AdminOptions {
  base::SocketAddress socket;
  // JSON, given at once or later.
  absl::AnyInvocable<void(absl::AnyInvocable<void(std::string)>)> status;
  absl::AnyInvocable<void(absl::AnyInvocable<void(std::string)>)> certificates;
  absl::AnyInvocable<void()> rotate;
  // Answers what it knows of and returns true.
  absl::AnyInvocable<bool(const http::EmbeddedRequest&, http::EmbeddedResponder&)> decisions;
  // Required; they outlive the server.
  BreakGlass* break_glass = nullptr;
  DebugHeaders* debug_headers = nullptr;
};

absl::StatusOr<std::unique_ptr<http::EmbeddedServer>> CreateAdmin(event::Loop& loop,
                                                                  AdminOptions options);

}  // namespace kith::sidecar
