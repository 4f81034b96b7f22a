// One worker: a thread with its own loop, listeners, connection pools, counters, and pointers to
// the newest TLS context and configuration. Workers share nothing that changes. Threads: Create()
// and Start() on the main thread; the setters, Drain() and Stop() from any thread, as messages to
// the worker's loop; everything else inside runs there. Owns: its thread, loop and connections.
// Borrows the metrics shard and the access log writer, which must outlive it. Errors: Create()
// names the listener that could not be bound and what to check.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/base/socket_address.h"
#include "source/extauthz/provider.h"
#include "source/jwt/authentication.h"
#include "source/mesh/snapshot.h"
#include "source/policy/policy_set.h"
#include "source/proxy/alpn.h"
#include "source/proxy/origination.h"
#include "source/proxy/peer_headers.h"
#include "source/proxy/retry_budget.h"
#include "source/ratelimit/rate_limits.h"
#include "source/telemetry/access_log.h"
#include "source/telemetry/metrics.h"
#include "source/tls/context.h"

namespace kith::proxy {

// What a TCP application gets before the client's first byte.
enum class ProxyProtocol : uint8_t { kOff, kV2 };

// Peers connect to `bind`; what is allowed reaches `application`.
struct InboundOptions {
  base::SocketAddress bind;
  base::SocketAddress application;
  uint16_t port = 0;  // The workload port that policies and modes name.
  mesh::Protocol protocol = mesh::Protocol::kHttp;
  PeerHeaderOptions peer_headers = {};
  ProxyProtocol proxy_protocol = ProxyProtocol::kOff;  // Of a TCP application.
};

// The application connects to `bind`; what it sends goes to `port` of `service`.
struct OutboundOptions {
  base::SocketAddress bind;
  std::string service;
  uint16_t port = 0;
  // Towards a workload by its own address, whose ports nobody declares: what was seen.
  mesh::Protocol detected = mesh::Protocol::kTcp;
};

// Connections that the kernel redirects here (capture/rules.h).
struct CaptureOptions {
  enum class Unknown : uint8_t { kPassThrough, kRefuse };

  base::SocketAddress inbound;   // Listens for what was meant for the application; none: not.
  base::SocketAddress outbound;  // For what the application opens; none: not.
  bool transparent = false;      // Inbound comes by TPROXY.
  Unknown unknown = Unknown::kPassThrough;    // Outbound destinations that are not of the mesh.
  absl::Duration resolve = absl::Seconds(2);  // How long the control plane may take to know one.
};

struct Timeouts {
  absl::Duration connect = absl::Seconds(5);
  absl::Duration handshake = absl::Seconds(10);    // Of TLS, and the wait for its first bytes.
  absl::Duration head = absl::Seconds(30);         // For a complete request head.
  absl::Duration idle = absl::Hours(1);            // Of a connection without a request.
  absl::Duration response = absl::ZeroDuration();  // Until a response's head; zero is unlimited.
  // Of a request from its head to its response's end, whatever is tried; zero is unlimited.
  absl::Duration request = absl::ZeroDuration();
  // Of one try, from the choice of an endpoint to a response's head; zero is unlimited.
  absl::Duration per_try = absl::ZeroDuration();
  // Of a request under way in which nothing moves; zero: as idle.
  absl::Duration stream_idle = absl::ZeroDuration();
};

struct Limits {
  uint32_t connections = 10000;  // Each direction; more are closed at once, counted as overload.
  uint32_t request_head_bytes = 32768;
};

// The most that Options::recent_decisions asks for.
inline constexpr size_t kMostRecentDecisions = 10'000;

// How near the process is to the memory it may have.
enum class MemoryPressure : uint8_t {
  kNone,
  kShedRequests,       // Inbound requests are answered 503.
  kRefuseConnections,  // Inbound connections are refused, too, and those there are drain.
};

// What decides connections and requests; replaced as a whole, so none sees a mixture.
struct Config {
  std::shared_ptr<const mesh::Snapshot> snapshot;
  std::shared_ptr<const policy::PolicySet> policies;
  std::shared_ptr<const jwt::Authentication> authentication =
      nullptr;  // Null: tokens are not looked at.
  std::shared_ptr<const ratelimit::RateLimits> rate_limits = nullptr;  // Null: there are none.
  std::shared_ptr<const Originations> originations = nullptr;          // Null: there are none.
  // Whom CUSTOM policies name; null: nobody.
  std::shared_ptr<const std::vector<extauthz::Provider>> providers = nullptr;
};

class Observer;

class Worker {
 public:
  struct Options {
    std::vector<InboundOptions> inbound;
    std::vector<OutboundOptions> outbound;
    CaptureOptions capture;
    // Asks for the service at an IP address, which a later config brings. Called on the worker's
    // thread.
    std::function<void(const std::string& address)> want_service;
    Timeouts timeouts;
    Limits limits;
    RetryLimits retries;
    std::string workload;  // Labels of metrics and log lines.
    std::string name_space;
    Links links = Links::kOffered;
    bool share_ports = false;  // SO_REUSEPORT: more than one worker.
    uint32_t workers = 1;      // How many share every rate limit.
    telemetry::Shard* metrics = nullptr;
    telemetry::AccessLog::Writer* access_log = nullptr;  // Null: none.
    std::vector<std::string> access_log_headers;         // Of requests, whose values are logged.
    size_t recent_decisions = 0;                         // Kept to be explained; zero: none.
    const base::Clock* clock = &base::Clock::System();
  };

  struct Activity {
    uint64_t inbound_connections = 0;
    uint64_t outbound_connections = 0;
    uint64_t upstream_connections = 0;
    std::string serial;  // Of the certificate that new handshakes present; empty: none yet.
  };

  static absl::StatusOr<std::unique_ptr<Worker>> Create(Options options);
  ~Worker();  // Stops and joins.

  // Where the listeners are bound, in the order of the options: for tests that asked for port 0.
  std::vector<base::SocketAddress> inbound_addresses() const;
  std::vector<base::SocketAddress> outbound_addresses() const;
  // Of captured connections; of AF_UNSPEC where there is none.
  base::SocketAddress captured_inbound() const;
  base::SocketAddress captured_outbound() const;

  void Start();

  // New handshakes use it at once; connections made with earlier ones are drained in time.
  void SetTls(std::shared_ptr<const tls::Context> context);
  void SetConfig(Config config);
  // Takes nothing new for the application, finishes what is in flight and closes what is idle of
  // it. What the application opens itself is served on until it has no connection left for a
  // moment; `done` then runs on the worker's loop.
  void Drain(absl::AnyInvocable<void()> done);
  // Breaks off whatever is still open, with `status`; `done` runs on the worker's loop.
  void CutOff(absl::Status status, absl::AnyInvocable<void()> done);
  // Gives buffers that a burst has left behind back to the heap; `done` runs on the worker's loop.
  void ReleaseBuffers(absl::AnyInvocable<void()> done);
  void SetMemoryPressure(MemoryPressure pressure);
  // Whose responses tell the decision on their requests, by SPIFFE ID (debug_headers.h).
  void SetDebugCallers(std::vector<std::string> callers);
  // Breaks off what peers have opened: the last resort against memory that draining does not free.
  void CutOffInbound(absl::Status status);
  // Calls back on the worker's loop.
  void Query(absl::AnyInvocable<void(const Activity&)> answer);
  // The same, for what the worker keeps of the traffic it saw.
  void Look(absl::AnyInvocable<void(const Observer&)> look);
  void Stop();

 private:
  class Impl;
  explicit Worker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kith::proxy
