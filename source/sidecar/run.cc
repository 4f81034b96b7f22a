#include "source/sidecar/run.h"

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/base/version.h"
#include "source/control/certificate_client.h"
#include "source/control/channel.h"
#include "source/control/discovery_client.h"
#include "source/event/loop.h"
#include "source/event/signal.h"
#include "source/identity/ca_source.h"
#include "source/identity/manager.h"
#include "source/sidecar/admin.h"
#include "source/sidecar/departure.h"
#include "source/sidecar/monitoring.h"
#include "source/sidecar/status_json.h"
#include "source/sidecar/workers.h"
#include "source/telemetry/families.h"

namespace kith::sidecar {
namespace {

// Where configuration goes: to the workers, the trust bundle to the identity.
class Receiver final : public control::DiscoveryClient::Handler {
 public:
  Receiver(Workers& workers, identity::Manager& identity, identity::Source& source)
      : workers_(workers), identity_(identity), source_(source) {}

  // Called after each update.
  std::function<void()> updated;

  void OnUpdate(const control::Update& update) override {
    workers_.SetConfig({.snapshot = update.snapshot,
                        .policies = update.policies,
                        .authentication = update.authentication,
                        .rate_limits = update.rate_limits});
    updated();
  }
  absl::Status OnTrustBundles(std::vector<tls::TrustBundle::Domain> domains) override {
    absl::Status set = identity_.SetBundle(std::move(domains));
    if (identity_.WantsRenewal()) source_.RenewSoon();
    return set;
  }
  // A certificate that could not be renewed while the control plane was away is renewed now.
  void OnConnected() override { source_.TryOverdue(); }

 private:
  Workers& workers_;
  identity::Manager& identity_;
  identity::Source& source_;
};

control::DiscoveryClient::Options DiscoveryOptions(const Bootstrap& bootstrap,
                                                   const Workers& workers,
                                                   telemetry::Shard& metrics) {
  control::DiscoveryClient::Options options;
  options.name_space = bootstrap.name_space;
  options.trust_domain = bootstrap.trust_domain;
  options.roots_pem = bootstrap.roots_pem;
  options.token_file = bootstrap.token_file;
  options.metrics = &metrics;
  options.node.set_workload(bootstrap.name);
  options.node.set_version(std::string(base::kVersion));
  for (const auto& [key, value] : bootstrap.labels) (*options.node.mutable_labels())[key] = value;
  for (size_t i = 0; i < bootstrap.inbound.size(); ++i) {
    mesh::v1::InboundPort& port = *options.node.add_inbound();
    port.set_port(bootstrap.inbound[i].port);
    port.set_address(workers.inbound()[i].ToString());
  }
  for (const proxy::OutboundOptions& outbound : bootstrap.outbound) {
    std::vector<std::string>& services = options.services;
    if (std::find(services.begin(), services.end(), outbound.service) == services.end()) {
      services.push_back(outbound.service);
    }
  }
  return options;
}

mesh::v1::ServedCertificate Served(const identity::Manager& identity) {
  const tls::CertificateInfo& leaf = identity.context()->identity().leaf();
  mesh::v1::ServedCertificate served;
  served.set_serial(leaf.serial);
  served.set_not_before_unix(absl::ToUnixSeconds(leaf.not_before));
  served.set_not_after_unix(absl::ToUnixSeconds(leaf.not_after));
  served.set_activated_unix(absl::ToUnixSeconds(identity.report().activated_at));
  served.set_generation(identity.report().generation);
  return served;
}

absl::StatusOr<std::unique_ptr<telemetry::AccessLog>> OpenAccessLog(const Bootstrap& bootstrap,
                                                                    telemetry::Metrics& metrics) {
  if (bootstrap.access_log.empty()) return std::unique_ptr<telemetry::AccessLog>();
  telemetry::AccessLog::Options options;
  options.path = bootstrap.access_log;
  options.metrics = &metrics;
  return telemetry::AccessLog::Create(options);
}

}  // namespace

absl::Status Run(const Bootstrap& bootstrap) {
  base::SetLogLevel(bootstrap.log_level);
  const absl::Time started = absl::Now();
  telemetry::Metrics metrics;
  telemetry::Shard& shard = metrics.AddShard();
  shard.GetGauge(telemetry::kBuild, {"sidecar", base::kVersion}).Set(1);
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Loop> loop, event::Loop::Create());
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<telemetry::AccessLog> access_log,
                        OpenAccessLog(bootstrap, metrics));

  // Connections.
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<Workers> workers,
                        Workers::Create(*loop, bootstrap, metrics, access_log.get()));

  // The identity they use.
  identity::Manager::Options identity_options;
  identity_options.trust_domain = bootstrap.trust_domain;
  identity_options.roots_pem = bootstrap.roots_pem;
  identity_options.min_version = bootstrap.min_version;
  identity_options.metrics = &shard;
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<identity::Manager> identity,
                        identity::Manager::Create(std::move(identity_options)));
  control::Channel channel({.address = bootstrap.control_plane,
                            .server_name = bootstrap.server_name,
                            .roots_pem = bootstrap.roots_pem,
                            .more_roots = [&] { return identity->roots_pem(); }});
  control::CertificateClient certificates(*loop, channel, {.token_file = bootstrap.token_file});
  KITH_ASSIGN_OR_RETURN(const base::SpiffeId id, bootstrap.Id());
  identity::CaSource source(*loop, certificates,
                            {.id = id, .lifetime = bootstrap.lifetime, .random = nullptr});

  // What they are told.
  Receiver receiver(*workers, *identity, source);
  control::DiscoveryClient discovery(*loop, channel, receiver,
                                     DiscoveryOptions(bootstrap, *workers, shard));
  Departure departure(*loop, discovery, *workers, bootstrap.drain);

  // What people and Prometheus ask.
  const StatusSources status{.bootstrap = bootstrap,
                             .identity = *identity,
                             .source = source,
                             .discovery = discovery,
                             .workers = *workers,
                             .departure = departure,
                             .started = started};
  bool told_ready = false;
  const auto tell_ready = [&] {
    if (told_ready || !NotReady(status).empty()) return;
    told_ready = true;
    base::Log(base::LogLevel::kInfo, "sidecar", "ready",
              {{"workload", absl::StrCat(bootstrap.name_space, "/", bootstrap.name)}});
  };
  receiver.updated = tell_ready;
  identity->Subscribe([&](const std::shared_ptr<const tls::Context>& context) {
    workers->SetTls(context);
    discovery.SetServedCertificate(Served(*identity));
    tell_ready();
  });
  AdminOptions admin_options;
  admin_options.socket = bootstrap.admin_socket;
  admin_options.status = [&](absl::AnyInvocable<void(std::string)> give) {
    workers->Query([&status, give = std::move(give)](const Workers::Activity& activity) mutable {
      give(StatusJson(status, activity));
    });
  };
  admin_options.certificates = [&] { return CertificatesJson(status); };
  admin_options.rotate = [&] { source.RotateNow(); };
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<http::EmbeddedServer> admin,
                        CreateAdmin(*loop, std::move(admin_options)));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<http::EmbeddedServer> monitoring,
                        CreateMonitoring(*loop, bootstrap.monitoring_address, metrics,
                                         [&] { return NotReady(status); }));

  // Signals.
  const auto stop = [&] {
    if (departure.begun()) loop->Stop();
    departure.Begin();
  };
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Signal> terminate,
                        event::Signal::Create(*loop, SIGTERM, stop));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Signal> interrupt,
                        event::Signal::Create(*loop, SIGINT, stop));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Signal> hang_up,
                        event::Signal::Create(*loop, SIGHUP, [&] {
                          if (access_log != nullptr) access_log->Reopen();
                        }));

  workers->Start();
  source.Start(*identity);
  discovery.Start();
  base::Log(base::LogLevel::kInfo, "sidecar", "started",
            {{"version", std::string(base::kVersion)},
             {"workload", absl::StrCat(bootstrap.name_space, "/", bootstrap.name)},
             {"spiffeId", id.text()},
             {"controlPlane", bootstrap.control_plane},
             {"monitoring", monitoring->local().ToString()},
             {"admin", bootstrap.admin_socket.UnixPath()}});
  loop->Run();
  return absl::OkStatus();
}

}  // namespace kith::sidecar
