// What this sidecar has accepted from the control plane, by delta xDS's rules and without gRPC:
// responses in, acknowledgements and snapshots out. A resource that is refused leaves its last good
// version in force; the good ones beside it are taken.
// Threads: the loop's. Owns: the accepted resources.
// Errors: Result::status joins what is wrong with each refused resource; it is also in the NACK.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "source/control/translate.h"

namespace kith::control {

// Everything accepted so far, as one consistent whole.
struct Update {
  std::shared_ptr<const mesh::Snapshot> snapshot;
  std::shared_ptr<const policy::PolicySet> policies;
  std::vector<PolicySummary> summaries;
  tls::TrustRules rules;
  std::shared_ptr<const jwt::Authentication> authentication;  // Null: no tokens are looked at.
  std::shared_ptr<const ratelimit::RateLimits> rate_limits;   // Null: no limits.
  std::vector<extauthz::Provider> providers;
  // What all this was made from, for people who ask; null before it has come.
  std::shared_ptr<const mesh::v1::WorkloadConfig> source;
  std::string version;      // Of the workload's own settings, as the control plane names it.
  bool configured = false;  // Those settings have come.
};

class ResourceStore {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

  struct Options {
    std::string trust_domain;  // The workload's own.
    std::string roots_pem;     // Its roots before the control plane gives any; empty: none.
    std::vector<std::string> services;  // Hosts that are used.
    tls::TrustRules rules = {};         // Where no TrustPolicy says otherwise.
    // Takes all trust domains' roots into use, or says why not.
    std::function<absl::Status(std::vector<tls::TrustBundle::Domain>)> use_bundles;
  };
  explicit ResourceStore(Options options);

  // What a new stream begins with: for each type, everything wanted and the versions already held.
  std::vector<Request> Subscriptions() const;

  // A service that is used from now on; false when it is already, or when there are kMaxWanted of
  // those that came this way and are all somebody's. Of those that are nobody's the oldest is given
  // up for it. The request tells the control plane.
  static constexpr size_t kMaxWanted = 4096;
  bool Want(const std::string& name, Request& request);

  struct Result {
    Request answer;  // The ACK or the NACK.
    absl::Status status;
    bool changed = false;    // Current() is another than before.
    absl::string_view type;  // "Service"; empty when the type is none of ours.
  };
  Result Apply(const Response& response);

  // Until the control plane has spoken: STRICT, and nothing is allowed.
  Update Current() const;
  // Of the own trust domain's bundle that was taken last; zero before the first.
  uint64_t bundle_generation() const;

 private:
  using Resource = envoy::service::discovery::v3::Resource;
  struct Kind;
  static const Kind kKinds[];

  absl::Status TakeBundle(const Resource& resource);
  absl::Status TakeWorkload(const Resource& resource);
  absl::Status TakeService(const Resource& resource);
  absl::Status RemoveBundle(const std::string& name);
  absl::Status RemoveWorkload(const std::string& name);
  absl::Status RemoveService(const std::string& name);
  std::vector<std::string> NamesOf(const Kind& kind) const;
  bool IsUsed(const std::string& service) const;

  const Options options_;
  uint64_t changes_ = 0;
  // By type: name to version.
  std::map<std::string, std::map<std::string, std::string>, std::less<>> versions_;
  std::map<std::string, tls::TrustBundle::Domain> bundles_;  // By trust domain.
  bool configured_ = false;
  WorkloadSettings settings_;
  std::shared_ptr<const mesh::v1::WorkloadConfig> source_;  // What they were made from.
  std::map<std::string, std::shared_ptr<const mesh::Service>> services_;
  std::set<std::string> wanted_;
  std::deque<std::string> wanted_order_;  // The oldest first.
  std::set<std::string> absent_;          // Of wanted_: the control plane knows none.
};

}  // namespace kith::control
