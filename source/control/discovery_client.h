// Keeps this sidecar's configuration up to date over delta xDS: one stream, opened again with
// everything already held whenever it ends. What was accepted stays in force meanwhile.
// Threads: the loop's. Owns: its stream, timer and the accepted resources. Loop, channel, handler
// and metrics shard are borrowed and outlive it.
// Errors: of a stream: logged, shown in report(), and tried again. Of a resource: refused (NACK)
// with the reason, the last good one stays.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kith/mesh/v1/node.pb.h"
#include "source/base/clock.h"
#include "source/control/backoff.h"
#include "source/control/channel.h"
#include "source/control/discovery_stream.h"
#include "source/control/resource_store.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/telemetry/metrics.h"

namespace kith::control {

class DiscoveryClient : private DiscoveryStream::Handler {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // Once per response that changed anything.
    virtual void OnUpdate(const Update& update) = 0;
    // Every trust domain's roots are to be replaced; what is not OK refuses the resource.
    virtual absl::Status OnTrustBundles(std::vector<tls::TrustBundle::Domain> domains) = 0;
    // The control plane answers, for the first time or again.
    virtual void OnConnected() = 0;
    // It did, and does not any more.
    virtual void OnDisconnected() = 0;
  };

  struct Options {
    std::string name_space;
    std::string trust_domain;
    std::string roots_pem;  // The bootstrap's, for the own trust domain.
    mesh::v1::NodeMetadata node;
    std::vector<std::string> services;  // Hosts that are used.
    tls::TrustRules rules;              // Where no TrustPolicy says otherwise.
    std::string token_file;             // Read for every stream.
    absl::Duration first_wait = absl::Milliseconds(50);
    absl::Duration longest_wait = absl::Seconds(3);
    std::function<double()> random;  // Uniform in [0, 1). Default: the machine's.
    const base::Clock* clock = &base::Clock::System();
    telemetry::Shard* metrics = nullptr;  // None counts nothing.
  };

  struct Report {
    bool connected = false;
    absl::Time since = absl::InfinitePast();  // When `connected` became what it is.
    std::string last_error;                   // Of the connection; empty while it is open.
    std::string refused;  // What was wrong with the last response that was refused; empty after a
                          // good one of its type.
  };

  DiscoveryClient(event::Loop& loop, Channel& channel, Handler& handler, Options options);
  ~DiscoveryClient() override;

  void Start();
  // What the sidecar presents now, for the control plane's status.
  void SetServedCertificate(const mesh::v1::ServedCertificate& certificate);
  // The data path needs a service, by its host or by an IP address: its resource, or its absence,
  // is in a later update.
  void Want(const std::string& service);
  // Tells the control plane that this workload leaves, and opens no stream again. `done` is called
  // once the stream has ended, never before this returns.
  void SayGoodbye(absl::AnyInvocable<void()> done);

  const Report& report() const { return report_; }
  Update current() const { return store_.Current(); }

 private:
  void OnAccepted() override;
  void OnResponse(const DiscoveryStream::Response& response) override;
  void OnEnd(const grpc::Status& status) override;

  void Open();
  void Ended(const absl::Status& status);
  void SetNode(DiscoveryStream::Request& request) const;
  void SetConnected(bool connected);
  void Count(const ResourceStore::Result& result);

  event::Loop& loop_;
  Channel& channel_;
  Handler& handler_;
  Options options_;
  ResourceStore store_;
  Backoff backoff_;
  event::Timer timer_;
  std::unique_ptr<DiscoveryStream> stream_;
  absl::Time opened_ = absl::InfinitePast();
  bool leaving_ = false;
  absl::AnyInvocable<void()> left_;
  Report report_;
  std::string refused_type_;
};

}  // namespace kith::control
