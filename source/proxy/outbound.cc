#include "source/proxy/outbound.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "source/mesh/choose.h"
#include "source/mesh/locality.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

constexpr size_t kMaxTunnelAttempts = 3;

bool SameEndpoint(const mesh::Endpoint& a, const mesh::Endpoint& b) {
  const bool same_outside =
      a.origination == b.origination ||
      (a.origination != nullptr && b.origination != nullptr && *a.origination == *b.origination);
  return a.address == b.address && a.tls == b.tls && a.principals == b.principals &&
         a.workload == b.workload && a.weight == b.weight && same_outside;
}

// Null where none was read.
std::shared_ptr<const Origination> OriginationOf(const mesh::Endpoint& endpoint,
                                                 const Originations* all) {
  if (endpoint.origination == nullptr || all == nullptr) return nullptr;
  const auto found = all->find(*endpoint.origination);
  return found == all->end() ? nullptr : found->second;
}

}  // namespace

// ---- Where a port leads ----

void OutboundPort::Update(const mesh::Snapshot& snapshot) {
  if (fixed_) return;
  const mesh::Service* service = snapshot.FindService(options_.service);
  if (service == nullptr) {
    known_ = false;
    return Use({}, protocol_, {});
  }
  name_space_ = service->name_space;
  host_ = service->host;
  if (service->captured) {
    known_ = true;
    mesh::Endpoint workload;
    workload.address = options_.bind;
    workload.workload = service->captured->workload;
    workload.tls = service->captured->ForPort(options_.port);
    workload.principals = service->captured->principals;
    return Use({workload}, options_.detected, {});
  }
  const mesh::ServicePort* port = service->FindPort(options_.port);
  known_ = port != nullptr;
  if (!known_) return Use({}, protocol_, {});
  Use(port->endpoints, port->protocol, port->policy, snapshot.modes.locality);
}

void OutboundPort::PassThrough(const base::SocketAddress& destination) {
  fixed_ = known_ = true;
  mesh::Endpoint endpoint;
  endpoint.address = destination;
  endpoint.tls = mesh::EndpointTls::kPlaintext;
  Use({endpoint}, mesh::Protocol::kTcp, {});
}

void OutboundPort::Use(const std::vector<mesh::Endpoint>& configs, mesh::Protocol protocol,
                       const mesh::TrafficPolicy& policy, absl::string_view locality) {
  const bool same_protocol = protocol_ == protocol;
  protocol_ = protocol;
  std::vector<std::shared_ptr<Endpoint>> before;
  for (Tier& tier : tiers_) {
    for (auto& endpoint : tier.endpoints) before.push_back(std::move(endpoint));
  }
  // Without outlier detection nobody would know when to look farther.
  const bool near_first = policy.locality.enabled && policy.outliers.enabled();
  std::map<int, Tier> by_distance;
  for (const mesh::Endpoint& config : configs) {
    Tier& tier =
        by_distance[near_first ? mesh::DistanceOf(locality, config.locality, policy.locality) : 0];
    tier.configs.push_back(config);
    auto origination = OriginationOf(config, worker_.config.originations.get());
    auto kept = std::find_if(before.begin(), before.end(), [&](const auto& endpoint) {
      return endpoint != nullptr && same_protocol && SameEndpoint(endpoint->config(), config) &&
             endpoint->origination() == origination;
    });
    if (kept != before.end()) {
      tier.endpoints.push_back(std::move(*kept));
    } else {
      Endpoint::Options options;
      options.sni = host();
      options.group = group_;
      options.origination = std::move(origination);
      tier.endpoints.push_back(
          std::make_shared<Endpoint>(worker_, config, protocol_, std::move(options)));
    }
  }
  tiers_.clear();
  for (auto& [distance, tier] : by_distance) tiers_.push_back(std::move(tier));
  group_->Update(policy, configs.size(), [this] {
    uint32_t established = 0;
    for (const Tier& tier : tiers_) {
      for (const auto& endpoint : tier.endpoints) {
        established += static_cast<uint32_t>(endpoint->connections());
      }
    }
    return established;
  });
  for (const auto& gone : before) {
    if (gone != nullptr) gone->Retire();
  }
}

void OutboundPort::Retire() {
  for (const Tier& tier : tiers_) {
    for (const auto& endpoint : tier.endpoints) endpoint->Retire();
  }
}

size_t OutboundPort::CountEjected(const Tier& tier) {
  return static_cast<size_t>(
      std::count_if(tier.endpoints.begin(), tier.endpoints.end(),
                    [](const auto& endpoint) { return endpoint->ejected(); }));
}

size_t OutboundPort::PreferredTier() {
  if (tiers_.size() < 2 || group_->CountEjected(worker_.loop.NowMs()) == 0) return 0;
  std::vector<mesh::TierHealth> health;
  health.reserve(tiers_.size());
  for (const Tier& tier : tiers_) {
    health.push_back({tier.endpoints.size(), tier.endpoints.size() - CountEjected(tier)});
  }
  return mesh::DrawTier(health, absl::Uniform<uint64_t>(worker_.random));
}

std::shared_ptr<Endpoint> OutboundPort::ChooseIn(const Tier& tier,
                                                 absl::Span<const std::shared_ptr<Endpoint>> tried,
                                                 absl::optional<uint64_t> key, Ejected ejected) {
  const auto& endpoints = tier.endpoints;
  std::vector<size_t> avoid;
  for (size_t i = 0; i < endpoints.size() && avoid.size() < tried.size(); ++i) {
    if (std::find(tried.begin(), tried.end(), endpoints[i]) != tried.end()) avoid.push_back(i);
  }
  if (ejected == Ejected::kLeftOut && group_->CountEjected(worker_.loop.NowMs()) > 0 &&
      !mesh::MustUseAll(endpoints.size(), CountEjected(tier), policy().outliers)) {
    for (size_t i = 0; i < endpoints.size(); ++i) {
      if (endpoints[i]->ejected()) avoid.push_back(i);
    }
  }
  const size_t chosen =
      mesh::ChooseEndpoint({.endpoints = tier.configs,
                            .active = [&endpoints](size_t i) { return endpoints[i]->active(); },
                            .random = [this] { return absl::Uniform<uint64_t>(worker_.random); },
                            .avoid = avoid,
                            .balancer = policy().balancer,
                            .turn = turn_,
                            .key = key});
  return chosen == mesh::kNoEndpoint ? nullptr : endpoints[chosen];
}

std::shared_ptr<Endpoint> OutboundPort::Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                               absl::optional<uint64_t> key, Reason& reason) {
  if (!known_) {
    reason = Reason::kUnknownService;
    return nullptr;
  }
  if (protocol_ == mesh::Protocol::kTcp ? !group_->MayStartTunnel() : !group_->MayStartRequest()) {
    reason = Reason::kCircuitOpen;
    return nullptr;
  }
  const size_t preferred = PreferredTier();
  std::shared_ptr<Endpoint> chosen;
  // Better one that is far away than one that has failed, and better that than
  // none.
  for (const Ejected ejected : {Ejected::kLeftOut, Ejected::kUsed}) {
    for (size_t i = 0; i < tiers_.size() && chosen == nullptr; ++i) {
      const size_t tier = (preferred + i) % tiers_.size();
      chosen = ChooseIn(tiers_[tier], tried, key, ejected);
    }
  }
  // A further try of one request is nobody else's turn.
  if (tried.empty()) ++turn_;
  if (chosen == nullptr && tried.empty()) reason = Reason::kNoEndpoint;
  return chosen;
}

// ---- A connection of the application ----

OutboundSession::OutboundSession(WorkerState& worker, SessionSet& sessions,
                                 std::shared_ptr<OutboundPort> port,
                                 std::unique_ptr<net::Stream> stream,
                                 std::vector<uint8_t> first_bytes)
    : worker_(worker),
      sessions_(sessions),
      port_(std::move(port)),
      remote_(stream->remote()),
      accepted_(worker.options.clock->Now()),
      stream_(std::move(stream)),
      first_bytes_(std::move(first_bytes)) {
  worker_.observer.AddConnections(Observer::Direction::kOutbound, 1);
}

OutboundSession::~OutboundSession() {
  worker_.observer.AddConnections(Observer::Direction::kOutbound, -1);
}

void OutboundSession::Start() {
  if (!port_->known()) {
    Refuse(Reason::kUnknownService, "the mesh knows no such service or port");
  } else if (port_->protocol() == mesh::Protocol::kTcp) {
    OpenTunnel();
  } else {
    const std::vector<uint8_t> first_bytes = std::exchange(first_bytes_, {});
    carried_.StartHttp1(worker_, *this, std::move(stream_), absl::InfiniteDuration(), first_bytes);
  }
}

void OutboundSession::CutOff(const absl::Status& status) {
  if (!carried_.CutOff(status)) Refuse(Reason::kShuttingDown, std::string(status.message()));
}

absl::optional<uint64_t> OutboundSession::HashKey(const StoredRequest* request) const {
  const mesh::TrafficPolicy& policy = port_->policy();
  if (policy.balancer != mesh::Balancer::kConsistentHash) return absl::nullopt;
  if (policy.hash_header.empty()) {
    // Every workload's application is at a loopback address, where it does not come captured.
    return mesh::Hash(remote_.IsLoopback() ? worker_.options.workload : remote_.IpString());
  }
  if (request == nullptr) return absl::nullopt;
  for (const http::Header& header : request->headers()) {
    if (absl::EqualsIgnoreCase(header.name, policy.hash_header)) return mesh::Hash(header.value);
  }
  return absl::nullopt;
}

// ---- TCP ----

void OutboundSession::OpenTunnel() {
  Reason reason = Reason::kNone;
  endpoint_ = port_->Choose(tried_, HashKey(nullptr), reason);
  if (endpoint_ == nullptr) {
    Refuse(reason, "");
    return;
  }
  endpoint_->AddActive();
  opening_ = std::make_unique<TunnelOpening>(
      worker_, endpoint_, [this](TunnelOpening::Opened opened) { OnOpened(std::move(opened)); });
  opening_->Start();
}

void OutboundSession::OnOpened(TunnelOpening::Opened opened) {
  worker_.loop.DeleteLater(std::move(opening_));
  if (!opened.status.ok()) {
    const bool refused = absl::IsFailedPrecondition(opened.status);
    if (!refused && opened.reason != Reason::kNoIdentity) {
      endpoint_->Record(mesh::Outcome::kGatewayError);
    }
    endpoint_->RemoveActive();
    tried_.push_back(std::exchange(endpoint_, nullptr));
    Reason none_left = Reason::kNone;
    if (!refused && tried_.size() < kMaxTunnelAttempts &&
        port_->Choose(tried_, {}, none_left) != nullptr) {
      OpenTunnel();
    } else {
      Refuse(opened.reason, std::string(opened.status.message()));
    }
    return;
  }
  endpoint_->Record(mesh::Outcome::kGood);
  upstream_ = std::move(opened.facts);
  const auto& outside = endpoint_->config().origination;
  if (outside != nullptr && outside->in_band != mesh::InBandTls::kNone) {
    StartDatabaseTls(std::move(opened.stream));
  } else {
    StartTunnel(std::move(opened.stream));
  }
}

void OutboundSession::StartDatabaseTls(std::unique_ptr<net::Stream> server) {
  const mesh::TlsOrigination& outside = *endpoint_->config().origination;
  auto tls = OriginationOptions(outside, endpoint_->origination().get());
  if (!tls.ok()) {
    worker_.loop.DeleteLater(std::move(server));
    endpoint_->RemoveActive();
    Refuse(Reason::kUpstreamCredentials, std::string(tls.status().message()));
    return;
  }
  DatabaseTls::Options options;
  options.client = std::move(stream_);
  options.first_bytes = std::exchange(first_bytes_, {});
  options.server = std::move(server);
  options.protocol = outside.in_band;
  options.tls = *std::move(tls);
  options.timeout = worker_.options.timeouts.handshake;
  options.shaken = [this](const tls::HandshakeResult& handshake) {
    auto facts = std::make_shared<ConnectionFacts>(*upstream_);
    facts->tls_version = handshake.version;
    facts->sni = handshake.sni;
    upstream_ = std::move(facts);
    worker_.observer.CountHandshake(Observer::Side::kClient, handshake, nullptr);
    if (handshake.status.ok() && endpoint_->config().origination->insecure_skip_verify) {
      worker_.observer.CountUnverifiedServer();
    }
  };
  database_tls_ = std::make_unique<DatabaseTls>(
      std::move(options), [this](DatabaseTls::Result made) { OnDatabaseTls(std::move(made)); });
}

void OutboundSession::OnDatabaseTls(DatabaseTls::Result result) {
  worker_.loop.DeleteLater(std::move(database_tls_));
  if (!result.status.ok()) {
    endpoint_->RemoveActive();
    Refuse(result.reason, std::string(result.status.message()));
    return;
  }
  stream_ = std::move(result.client);
  first_bytes_ = std::move(result.to_server);
  StartTunnel(std::move(result.server));
}

void OutboundSession::StartTunnel(std::unique_ptr<net::Stream> server) {
  const absl::Duration wanted = port_->policy().pool.tcp_idle_timeout;
  Tunnel& tunnel = carried_.Use(std::make_unique<Tunnel>(
      std::move(stream_), std::move(server), first_bytes_,
      wanted > absl::ZeroDuration() ? wanted : worker_.options.timeouts.idle,
      [this](absl::Status status) { OnTunnelDone(status); }));
  first_bytes_ = {};
  if (upstream_->context != nullptr) {
    tunnel.EndAfter(upstream_->Validity(*worker_.options.clock),
                    upstream_->Expired(*worker_.options.clock));
  }
  worker_.observer.TunnelOpened(Record());
}

void OutboundSession::OnTunnelDone(absl::Status status) {
  endpoint_->RemoveActive();
  ConnectionRecord record = Record();
  record.status = &status;
  const Tunnel& tunnel = *carried_.tunnel();
  worker_.observer.TunnelClosed(record, tunnel.bytes_to_server(), tunnel.bytes_to_client());
  Leave();
}

// ---- HTTP ----

void OutboundSession::StartHttp2(std::unique_ptr<net::Stream> stream,
                                 absl::Span<const uint8_t> first_bytes) {
  carried_.StartHttp2(worker_, *this, std::move(stream), absl::InfiniteDuration(), first_bytes);
}

Routing OutboundSession::Route(const http::RequestHead& head, StoredRequest& out,
                               RequestRecord& record, Decided) {
  http::Header added[2];
  size_t added_count = 0;
  record.request_id = worker_.observer.RequestId(head, added, added_count);
  if (head.host.empty()) added[added_count++] = {"Host", port_->host()};
  // The application has no peer to speak of.
  out.Assign(head, head.path, PeerHeaders::DroppedOutbound(), absl::MakeSpan(added, added_count));
  return Routing::Forward();
}

std::shared_ptr<Endpoint> OutboundSession::Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                                  RequestRecord& record) {
  Reason reason = record.reason;
  std::shared_ptr<Endpoint> endpoint = port_->Choose(tried, HashKey(record.request), reason);
  if (endpoint == nullptr) record.reason = reason;
  return endpoint;
}

void OutboundSession::OnRequestDone(const RequestRecord& record) {
  worker_.observer.RecordRequest(Record(), record);
}

void OutboundSession::OnConnectionDone() { Leave(); }

// ---- The end ----

ConnectionRecord OutboundSession::Record() const {
  ConnectionRecord record;
  record.direction = Observer::Direction::kOutbound;
  record.started = accepted_;
  record.remote = &remote_;
  record.local = &port_->options().bind;
  record.upstream = upstream_.get();
  record.service = port_->host();
  record.service_namespace = port_->name_space();
  if (endpoint_ != nullptr) {
    record.destination = &endpoint_->config().address;
    record.destination_workload = endpoint_->config().workload;
  }
  return record;
}

void OutboundSession::Refuse(Reason reason, std::string detail) {
  ConnectionRecord record = Record();
  record.reason = reason;
  record.detail = detail;
  worker_.observer.ConnectionRefused(record);
  Leave();
}

void OutboundSession::Leave() {
  if (left_) return;
  left_ = true;
  if (opening_ != nullptr) worker_.loop.DeleteLater(std::move(opening_));
  if (database_tls_ != nullptr) worker_.loop.DeleteLater(std::move(database_tls_));
  if (stream_ != nullptr) stream_->Close();
  sessions_.Remove(*this);
}

}  // namespace kith::proxy
