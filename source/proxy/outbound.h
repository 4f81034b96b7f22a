// Outbound: what the application opens towards a service. Chooses an endpoint, reaches it over
// mutual TLS, proves that it is who it should be, and carries requests or bytes. Threads: the
// worker's loop. Owns: see session.h. Errors: each has a reason, counted and logged; an HTTP
// application sees 502, 503 or 504, a TCP one a close.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/proxy/carried.h"
#include "source/proxy/database_tls.h"
#include "source/proxy/endpoint.h"
#include "source/proxy/peer_headers.h"
#include "source/proxy/session.h"
#include "source/proxy/tunnel_opening.h"

namespace kith::proxy {

// An outbound port and where it leads as of the newest snapshot.
class OutboundPort {
 public:
  OutboundPort(WorkerState& worker, OutboundOptions options)
      : options_(std::move(options)), worker_(worker), group_(std::make_shared<UpstreamGroup>()) {}

  const OutboundOptions& options() const { return options_; }
  // A destination outside the mesh: reached as it is, whatever the mesh says.
  void PassThrough(const base::SocketAddress& destination);
  // Endpoints that stay keep their connections; those that went are retired.
  void Update(const mesh::Snapshot& snapshot);

  // False until the mesh knows the service and its port.
  bool known() const { return known_; }
  mesh::Protocol protocol() const { return protocol_; }
  absl::string_view name_space() const { return name_space_; }
  // The service's, as far as the mesh knows one.
  const std::string& host() const { return host_.empty() ? options_.service : host_; }
  const mesh::TrafficPolicy& policy() const { return group_->policy(); }
  // Null, with the reason, when none but `tried` is left, or a limit is reached. `key`: what
  // consistent hashing goes by.
  std::shared_ptr<Endpoint> Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                   absl::optional<uint64_t> key, telemetry::Reason& reason);
  void Retire();

 private:
  // Endpoints of one distance, each with what it was made from.
  struct Tier {
    std::vector<mesh::Endpoint> configs;
    std::vector<std::shared_ptr<Endpoint>> endpoints;
  };
  enum class Ejected : uint8_t { kLeftOut, kUsed };

  // `locality`: this workload's.
  void Use(const std::vector<mesh::Endpoint>& configs, mesh::Protocol protocol,
           const mesh::TrafficPolicy& policy, absl::string_view locality = "");
  // Where the next request goes while all is well there.
  size_t PreferredTier();
  // Null when none but `tried` is there, or ejected ones that are left out.
  std::shared_ptr<Endpoint> ChooseIn(const Tier& tier,
                                     absl::Span<const std::shared_ptr<Endpoint>> tried,
                                     absl::optional<uint64_t> key, Ejected ejected);
  static size_t CountEjected(const Tier& tier);

  const OutboundOptions options_;
  WorkerState& worker_;
  bool fixed_ = false;
  bool known_ = false;
  mesh::Protocol protocol_ = mesh::Protocol::kTcp;
  std::string name_space_;
  std::string host_;
  const std::shared_ptr<UpstreamGroup> group_;
  uint64_t turn_ = 0;        // Of round robin.
  std::vector<Tier> tiers_;  // The nearest first; none is empty.
};

class OutboundSession final : public Session, public HttpSession {
 public:
  // The port of a captured connection lives as long as anybody uses it. `first_bytes` were read
  // before.
  OutboundSession(WorkerState& worker, SessionSet& sessions, std::shared_ptr<OutboundPort> port,
                  std::unique_ptr<net::Stream> stream, std::vector<uint8_t> first_bytes = {});
  ~OutboundSession() override;

  void Start();
  void CutOff(const absl::Status& status) override;

 private:
  // HttpSession
  Routing Route(const http::RequestHead& head, StoredRequest& out, RequestRecord& record,
                Decided decided) override;
  std::shared_ptr<Endpoint> Choose(absl::Span<const std::shared_ptr<Endpoint>> tried,
                                   RequestRecord& record) override;
  void OnRequestDone(const RequestRecord& record) override;
  void StartHttp2(std::unique_ptr<net::Stream> stream,
                  absl::Span<const uint8_t> first_bytes) override;
  void OnConnectionDone() override;

  // What consistent hashing goes by; none where the policy does not ask for it.
  absl::optional<uint64_t> HashKey(const StoredRequest* request) const;
  void OpenTunnel();
  void OnOpened(TunnelOpening::Opened opened);
  void StartDatabaseTls(std::unique_ptr<net::Stream> server);
  void OnDatabaseTls(DatabaseTls::Result result);
  void StartTunnel(std::unique_ptr<net::Stream> server);
  void OnTunnelDone(absl::Status status);
  ConnectionRecord Record() const;
  void Refuse(telemetry::Reason reason, std::string detail);
  void Leave();

  WorkerState& worker_;
  SessionSet& sessions_;
  const std::shared_ptr<OutboundPort> port_;
  const base::SocketAddress remote_;
  const absl::Time accepted_;
  std::unique_ptr<net::Stream> stream_;
  std::vector<uint8_t> first_bytes_;  // Read before there was somewhere to send them.
  std::unique_ptr<TunnelOpening> opening_;
  std::vector<std::shared_ptr<Endpoint>> tried_;
  std::shared_ptr<Endpoint> endpoint_;
  std::shared_ptr<const ConnectionFacts> upstream_;
  std::unique_ptr<DatabaseTls> database_tls_;
  Carried carried_;
  bool left_ = false;
};

}  // namespace kith::proxy
