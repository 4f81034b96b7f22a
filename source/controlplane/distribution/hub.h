// The configuration side of the control plane: the connected sidecars, what each subscribes to, and
// what each is sent when documents or workloads change. Knows nothing of gRPC.
// Threads: the loop's. Owns: streams' states, roster, resources; the writers are shared with the
// transport.
// Errors: a stream that breaks the protocol is ended with a status that says how; other streams go
// on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/distribution/mesh_builder.h"
#include "source/controlplane/distribution/resource_cache.h"
#include "source/controlplane/distribution/roster.h"
#include "source/controlplane/distribution/subscription.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::controlplane {

// A stream as the transport offers it. Called on the loop's thread; must not call back into the
// hub.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  virtual void Write(Subscription::Response response) = 0;
  // Ends the stream after what was written; called once, nothing follows.
  virtual void Finish(absl::Status status) = 0;
};

// What is counted. `type` is the resource's short name, "Service".
class HubObserver {
 public:
  virtual ~HubObserver() = default;
  virtual void SetStreams(size_t streams) = 0;
  virtual void CountPush(absl::string_view type) = 0;
  virtual void CountAck(absl::string_view type) = 0;
  virtual void CountNack(absl::string_view type) = 0;
};

class Hub {
 public:
  using StreamId = Roster::StreamId;

  struct Options {
    MeshOptions mesh;
    Roster::Options roster;
    std::string roster_file;  // In the state directory. Empty keeps nothing over a restart.
    absl::Duration gather = absl::Milliseconds(10);  // Changes within this time go out together.
    const base::Clock* clock = &base::Clock::System();
    HubObserver* observer = nullptr;  // Borrowed; none counts nothing.
    // Whether a sidecar may say this of itself; `peer_ip` is where its stream comes from. Null: it
    // may. An error ends the stream.
    std::function<absl::Status(const Caller& caller, const Workload& claimed,
                               const std::string& peer_ip)>
        check_claims = nullptr;
  };

  Hub(event::Loop& loop, Options options);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  void SetState(std::shared_ptr<const MeshState> state);
  // Who serves the cluster's Services.
  void SetPlaced(std::shared_ptr<const PlacedEndpoints> placed);
  // Of the own trust domain.
  void SetTrustBundle(mesh::v1::TrustBundle bundle);
  // Certificate revocation lists of the trust domain's issuers, DER.
  void SetCrls(std::vector<std::string> crls);
  // Those of all other trust domains.
  void SetFederatedBundles(const std::vector<mesh::v1::TrustBundle>& bundles);

  // `identity`: whom the stream's token proved.
  StreamId Open(Caller identity, std::string peer, std::shared_ptr<StreamWriter> writer);
  void OnRequest(StreamId id, const Subscription::Request& request);
  void OnClosed(StreamId id, Roster::Leave leave);
  // For a stop: every sidecar is told to come back, and stays in the roster's file.
  void EndAll(const absl::Status& status);

  // Once a second by itself; tests that move the clock call it.
  void Tick();
  // Sends out what changed, without waiting for more to gather.
  void Refresh();

  struct ConfigReport {
    std::string type;  // "WorkloadConfig", "Service", "TrustBundle".
    Subscription::State state = Subscription::State::kNotSent;
    size_t resources = 0;
    absl::Time since;
    std::string error;
  };
  struct WorkloadReport {
    Roster::Record record;
    std::vector<ConfigReport> config;  // Empty when it is not connected.
    // It has acknowledged the own trust domain's present bundle, and says that it uses it.
    bool holds_bundle = false;
  };
  std::vector<WorkloadReport> Workloads() const;
  size_t streams() const { return streams_.size(); }

 private:
  struct Stream;
  class View;

  // Whether the stream still lives.
  bool TakeNode(Stream& stream, const envoy::config::core::v3::Node& node);
  void Push(Stream& stream);
  void End(StreamId id, const absl::Status& status);
  void Depart(const Stream& stream, Roster::Leave leave);
  void MeshChanged();
  void RosterChanged();
  void SaveRoster();

  const Options options_;
  bool HoldsBundle(const Stream& stream, const Roster::Record& record) const;

  ResourceCache cache_;
  Roster roster_;
  uint64_t bundle_generation_ = 0;
  const std::string nonce_prefix_;
  StreamId last_id_ = Roster::kNoStream;
  std::map<StreamId, std::unique_ptr<Stream>> streams_;
  bool roster_dirty_ = false;
  event::Timer refresh_;
  event::Timer save_;
  event::Timer tick_;
};

}  // namespace kith::controlplane
