// What a worker counts and logs: the one place where proxy events become metrics and access-log
// lines.
// Threads: the worker's loop. Owns: looked-up series; borrows the shard and the log.
// Errors: none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/strings/string_view.h"
#include "source/http/message.h"
#include "source/policy/policy_set.h"
#include "source/proxy/plaintext_sources.h"
#include "source/proxy/policy_marks.h"
#include "source/proxy/recent_decisions.h"
#include "source/proxy/worker.h"
#include "source/telemetry/reason.h"
#include "source/tls/tls_stream.h"

namespace kith::proxy {

struct ConnectionFacts;
struct ConnectionRecord;
struct RequestRecord;

class Observer {
 public:
  enum class Side : uint8_t { kClient, kServer };
  enum class Direction : uint8_t { kInbound, kOutbound };

  explicit Observer(const Worker::Options& options);
  ~Observer();

  void AddConnections(Direction direction, int64_t change);
  void AddUpstreams(int64_t change);
  uint64_t upstreams() const { return upstreams_; }
  void CountRefused(Direction direction, telemetry::Reason reason);
  // A live connection that this sidecar ended, unasked by either side.
  void CountEnded(telemetry::Reason reason);
  void CountUpstreamConnect(bool connected);
  void CountEjection();
  // A server outside the mesh whose certificate nobody looked at.
  void CountUnverifiedServer();
  void CountRetry(telemetry::Reason reason);
  // A request that was not sent again for want of budget.
  void CountRetryOverBudget();
  // `timeout`: what was over.
  void CountTimeout(absl::string_view timeout);
  void CountShedRequest();
  void CountBadRequest(absl::string_view reason);
  void CountDecision(policy::Request::Kind kind, const policy::Decision& decision);
  // What the policies say of a request beside the decision, which is enforced.
  PolicyMarks Mark(const policy::PolicySet& policies, const policy::Request& request,
                   const policy::Decision& decision);
  // A connection came without TLS to a port that takes such.
  void SawPlaintext(const base::SocketAddress& from, uint16_t port, absl::Time now);
  // `result`: "verified", or why a token was refused.
  void CountToken(absl::string_view result);
  // `result`: "allowed", "denied", "failed" or "failed_open".
  void CountExternalAuthorization(absl::string_view provider, absl::string_view result);
  void CountRateLimited(policy::Request::Kind kind, absl::string_view policy);
  // `context`: our side of the handshake.
  void CountHandshake(Side side, const tls::HandshakeResult& result, const tls::Context* context);

  // A connection that ended before it carried anything.
  void ConnectionRefused(const ConnectionRecord& record);
  void TunnelOpened(const ConnectionRecord& record);
  void TunnelClosed(const ConnectionRecord& record, uint64_t to_server, uint64_t to_client);
  void RecordRequest(const ConnectionRecord& connection, const RequestRecord& request);

  const RecentDecisions& recent_decisions() const { return recent_; }
  const PlaintextSources& plaintext_sources() const { return plaintext_; }

  // The request's x-request-id; when it has none, makes one and puts it among `added`.
  std::string RequestId(const http::RequestHead& head, http::Header* added, size_t& added_count);

 private:
  struct Series;
  telemetry::Counter& TcpCounter(const telemetry::Family& family, const ConnectionRecord& record);
  void LogConnection(const ConnectionRecord& record, uint64_t received, uint64_t sent);
  void CountRequest(const ConnectionRecord& connection, const RequestRecord& request);
  void Write(const ConnectionRecord& record, const telemetry::AccessEntry& entry);

  const Worker::Options& options_;
  std::unique_ptr<Series> series_;
  uint64_t upstreams_ = 0;
  absl::InsecureBitGen random_;
  const std::string workload_;  // "namespace/name" of this sidecar's.
  RecentDecisions recent_;
  PlaintextSources plaintext_;
  std::vector<telemetry::AccessHeader> headers_;  // Of the request being logged.
  std::string request_id_;                        // What an added header's view points into.
};

// One connection, as log lines and metrics tell of it. Everything is borrowed for the call.
struct ConnectionRecord {
  Observer::Direction direction = Observer::Direction::kInbound;
  absl::Time started;
  const base::SocketAddress* remote = nullptr;
  const base::SocketAddress* local = nullptr;
  const base::SocketAddress* destination = nullptr;  // Where it went, if anywhere.
  const ConnectionFacts* downstream = nullptr;       // TLS towards who opened it.
  const ConnectionFacts* upstream = nullptr;         // TLS towards where it went.
  absl::string_view destination_workload;            // "namespace/name".
  absl::string_view service;
  absl::string_view service_namespace;
  bool decided = false;
  bool allowed = false;
  const DecidingRule* by = nullptr;
  const PolicyMarks* marks = nullptr;
  uint16_t port = 0;  // Inbound: the workload's, which policies name.
  telemetry::Reason reason = telemetry::Reason::kNone;
  absl::string_view detail;
  const absl::Status* status = nullptr;  // How a tunnel ended.
};

}  // namespace kith::proxy
