// All of a sidecar's workers as one.
// Threads: the main loop's; answers of workers come back to it by message.
// Owns: the workers, stopped when it is destroyed. Loop, metrics and access log are borrowed and
// outlive it.
// Errors: Create() names the listener that could not be bound and what to check.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/event/loop.h"
#include "source/proxy/plaintext_sources.h"
#include "source/proxy/worker.h"
#include "source/sidecar/bootstrap.h"
#include "source/telemetry/access_log.h"
#include "source/telemetry/metrics.h"

namespace kith::sidecar {

class Workers {
 public:
  // The sum over all workers.
  struct Activity {
    uint64_t inbound_connections = 0;
    uint64_t outbound_connections = 0;
    uint64_t upstream_connections = 0;
    std::vector<std::string> serials;  // What each worker's new handshakes present.
    size_t workers_behind = 0;         // Those that present another one than SetTls() gave last.
  };

  static absl::StatusOr<std::unique_ptr<Workers>> Create(event::Loop& loop,
                                                         const Bootstrap& bootstrap,
                                                         telemetry::Metrics& metrics,
                                                         telemetry::AccessLog* access_log);

  // Asked, on the loop, for the service at an IP address; see proxy::Worker::Options. Set before
  // Start().
  std::function<void(const std::string& address)> want_service;

  // Where the listeners are, in the order of the bootstrap.
  const std::vector<base::SocketAddress>& inbound() const { return inbound_; }
  const std::vector<base::SocketAddress>& outbound() const { return outbound_; }

  void Start();
  void SetTls(const std::shared_ptr<const tls::Context>& context);
  void SetConfig(const proxy::Config& config);
  // `done` is called on the loop when every worker has nothing left.
  void Drain(absl::AnyInvocable<void()> done);
  // Breaks off whatever is still open; `done` is called on the loop.
  void CutOff(const absl::Status& status, absl::AnyInvocable<void()> done);
  // Gives buffers back to the heap; `done` is called on the loop.
  void ReleaseBuffers(absl::AnyInvocable<void()> done);
  void SetMemoryPressure(proxy::MemoryPressure pressure);
  void SetDebugCallers(const std::vector<std::string>& callers);
  // Breaks off what peers have opened.
  void CutOffInbound(const absl::Status& status);
  // The sum, on the loop.
  void Query(absl::AnyInvocable<void(const Activity&)> answer);

  // Log lines of the last decisions, on the loop: of that request, or of all when `request_id` is
  // empty; at most `most` of each worker.
  using Lines = std::vector<std::string>;
  void FindDecisions(const std::string& request_id, size_t most,
                     absl::AnyInvocable<void(Lines)> answer);
  // Who came without TLS, on the loop: addresses may occur once for each worker.
  struct Plaintext {
    std::vector<proxy::PlaintextSource> sources;
    uint64_t beyond = 0;  // Connections of addresses that found no room.
  };
  void FindPlaintext(absl::AnyInvocable<void(Plaintext)> answer);

 private:
  // Asks every worker, and calls `done` on the loop when all of them have answered.
  template <typename Ask>
  void AskAll(Ask ask, absl::AnyInvocable<void()> done);

  explicit Workers(event::Loop& loop) : loop_(loop) {}

  event::Loop& loop_;
  std::vector<std::unique_ptr<proxy::Worker>> workers_;
  std::vector<base::SocketAddress> inbound_;
  std::vector<base::SocketAddress> outbound_;
  std::string serial_;  // Of the certificate that SetTls() gave last.
};

}  // namespace kith::sidecar
