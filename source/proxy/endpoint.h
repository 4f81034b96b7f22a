// One endpoint of a service as a worker uses it: its idle connections, and how busy it is. It lives
// on through changes of configuration that keep it, and is retired by one that does not. Threads:
// the worker's loop. Owns: its HTTP connections, idle or busy, and links. Errors: none; dial.h
// reports what goes wrong on the way.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "source/mesh/outlier.h"
#include "source/mesh/snapshot.h"
#include "source/proxy/dial.h"
#include "source/proxy/http1_upstream.h"
#include "source/proxy/http2_upstream.h"
#include "source/proxy/upstream_group.h"

namespace kith::proxy {

class Endpoint final : public Http1Upstream::Owner,
                       public Http2Upstream::Owner,
                       public std::enable_shared_from_this<Endpoint> {
 public:
  struct Options {
    std::string sni;  // The service's host; empty for an application.
    // Below what the other side waits, so that it never closes a connection that is being used.
    absl::Duration idle_timeout = absl::Seconds(60);
    // Of the service's endpoints; null: it stands alone, without limits.
    std::shared_ptr<UpstreamGroup> group;
    std::shared_ptr<const Origination> origination;  // Of a server outside the mesh.
  };
  Endpoint(WorkerState& worker, mesh::Endpoint config, mesh::Protocol protocol, Options options);
  ~Endpoint() override;

  const mesh::Endpoint& config() const { return config_; }
  const std::string& address_text() const { return address_text_; }
  // Requests and tunnels on it now: what the choice of an endpoint weighs.
  uint32_t active() const { return active_; }
  void AddActive();
  void RemoveActive();

  // How it has answered, and whether it is left out for that.
  void Record(mesh::Outcome outcome);
  bool ejected() const { return health_.ejected(worker_.loop.NowMs()); }
  const std::shared_ptr<UpstreamGroup>& group() const { return options_.group; }
  const std::shared_ptr<const Origination>& origination() const { return options_.origination; }

  // What carries one request: set when the status is OK, for one SendHead().
  struct Leg {
    absl::Status status;
    telemetry::Reason reason = telemetry::Reason::kNone;
    RequestLeg* leg = nullptr;
    const ConnectionFacts* facts = nullptr;  // Of its connection.
  };
  using LegCallback = absl::AnyInvocable<void(Leg)>;
  // One that is ready; its leg is null when there is none.
  Leg TakeLeg();
  // Calls `done` once, never before it returns. Destroying the result abandons the wait; inside
  // `done` it goes to Loop::DeleteLater() instead.
  std::unique_ptr<event::Deletable> AwaitLeg(LegCallback done);
  // The same of a new HTTP/1.1 connection, whatever there is.
  std::unique_ptr<event::Deletable> AwaitOwnLeg(LegCallback done);
  bool MaySpeakHttp1() const;

  // A way to the other side, for whoever does more with it than send one request.
  struct Connection {
    absl::Status status;
    telemetry::Reason reason = telemetry::Reason::kNone;
    Http2Upstream* link = nullptr;  // Shared, of this endpoint.
    Dial::Result own;               // Else, when the status is OK, for the caller alone.
  };
  using ConnectionCallback = absl::AnyInvocable<void(Connection)>;
  // One that can take another stream; null when there is none.
  Http2Upstream* UsableLink();
  // As AwaitLeg().
  std::unique_ptr<event::Deletable> AwaitConnection(ConnectionCallback done);

  // A connection of the caller's own, whatever there is.
  std::unique_ptr<Dial> StartDial(absl::AnyInvocable<void(Dial::Result)> done) {
    return StartDial(protocol_, worker_.options.links, std::move(done));
  }

  // Not configured any more: idle connections close, busy ones after their exchange.
  void Retire();

  size_t connections() const { return connections_.size() + links_.size(); }

 private:
  class Waiter;

  std::unique_ptr<Dial> StartDial(mesh::Protocol protocol, Links links,
                                  absl::AnyInvocable<void(Dial::Result)> done);
  bool MayMultiplex() const;
  void StartSharedDial();
  void OnSharedDialed(Dial::Result dialed);
  // Another link, beside one that large bodies fill.
  void SpillOver();
  Connection Sort(Dial::Result dialed);
  Leg LegOf(Connection connection);
  static Leg LegOf(Http2Upstream& link);
  void Forget(Waiter& waiter);
  absl::Duration IdleTimeout() const;
  Http1Upstream& Adopt(Dial::Result dialed);
  void OnIdle(Http1Upstream& upstream) override;
  void OnGone(Http1Upstream& upstream) override;
  void OnGone(Http2Upstream& upstream) override;

  WorkerState& worker_;
  const mesh::Endpoint config_;
  const std::string address_text_;
  const mesh::Protocol protocol_;
  const Options options_;
  mesh::EndpointHealth health_;
  uint32_t active_ = 0;
  bool retired_ = false;
  std::vector<Http1Upstream*> idle_;  // The one used last is the next: others can time out.
  absl::flat_hash_map<Http1Upstream*, std::unique_ptr<Http1Upstream>> connections_;
  std::vector<std::unique_ptr<Http2Upstream>> links_;  // Rarely more than one.
  // Who came while there was no connection shares one dial: most often it brings a link.
  std::unique_ptr<Dial> shared_dial_;
  std::deque<Waiter*> waiters_;
  std::deque<Waiter*> served_;  // Those whose dial is over.
  bool single_ = false;         // The last connection could not be multiplexed.
};

}  // namespace kith::proxy
