#include "source/sidecar/run.h"

#include <malloc.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/log.h"
#include "source/base/process.h"
#include "source/base/status.h"
#include "source/base/version.h"
#include "source/capture/rules.h"
#include "source/control/channel.h"
#include "source/control/discovery_client.h"
#include "source/control/workload_api_server.h"
#include "source/event/loop.h"
#include "source/event/signal.h"
#include "source/identity/cache.h"
#include "source/identity/manager.h"
#include "source/identity/peer_responders.h"
#include "source/identity/stapler.h"
#include "source/sidecar/admin.h"
#include "source/sidecar/application_probes.h"
#include "source/sidecar/break_glass.h"
#include "source/sidecar/crl_files.h"
#include "source/sidecar/debug_headers.h"
#include "source/sidecar/decisions_admin.h"
#include "source/sidecar/departure.h"
#include "source/sidecar/identity_source.h"
#include "source/sidecar/memory_guard.h"
#include "source/sidecar/memory_limit.h"
#include "source/sidecar/memory_return.h"
#include "source/sidecar/monitoring.h"
#include "source/sidecar/origination_files.h"
#include "source/sidecar/status_json.h"
#include "source/sidecar/workers.h"
#include "source/telemetry/families.h"
#include "source/telemetry/reason_status.h"

namespace kith::sidecar {
namespace {

// Where configuration goes: to the workers, the trust bundle to the identity.
class Receiver final : public control::DiscoveryClient::Handler {
 public:
  Receiver(Workers& workers, OriginationFiles& originations, identity::Manager& identity,
           identity::Source& source)
      : workers_(workers), originations_(originations), identity_(identity), source_(source) {}

  // Called after each update.
  std::function<void()> updated;

  void OnUpdate(const control::Update& update) override {
    SetConfig(update);
    for (const extauthz::Provider& provider : update.providers) {
      workers_.want_service(provider.service);
    }
    if (const absl::Status set = identity_.SetRules(update.rules); !set.ok()) {
      base::Log(base::LogLevel::kWarning, "sidecar", "new trust rules are not taken",
                {{"error", std::string(set.message())}});
    }
    updated();
  }
  // Also when only files beside the sidecar have changed.
  void SetConfig(const control::Update& update) {
    originations_.Use(*update.snapshot);
    workers_.SetConfig(
        {.snapshot = update.snapshot,
         .policies = update.policies,
         .authentication = update.authentication,
         .rate_limits = update.rate_limits,
         .originations = originations_.current(),
         .providers = std::make_shared<const std::vector<extauthz::Provider>>(update.providers)});
  }
  absl::Status OnTrustBundles(std::vector<tls::TrustBundle::Domain> domains) override {
    absl::Status set = identity_.SetBundle(std::move(domains));
    if (identity_.WantsRenewal()) source_.RenewSoon();
    // The roots of the bootstrap may have been too old for what the authority signs.
    if (set.ok() && identity_.context() == nullptr) source_.TryOverdue();
    return set;
  }
  // A certificate that could not be renewed while the control plane was away is renewed now.
  void OnConnected() override { source_.TryOverdue(); }
  void OnDisconnected() override { source_.OnControlPlaneLost(); }

 private:
  Workers& workers_;
  OriginationFiles& originations_;
  identity::Manager& identity_;
  identity::Source& source_;
};

control::DiscoveryClient::Options DiscoveryOptions(const Bootstrap& bootstrap,
                                                   const Workers& workers,
                                                   telemetry::Shard& metrics) {
  control::DiscoveryClient::Options options;
  options.name_space = bootstrap.name_space;
  options.trust_domain = bootstrap.trust_domain;
  options.token_file = bootstrap.token_file;
  options.metrics = &metrics;
  options.rules = bootstrap.rules;
  options.node.set_workload(bootstrap.name);
  options.node.set_version(std::string(base::kVersion));
  for (const auto& [key, value] : bootstrap.labels) (*options.node.mutable_labels())[key] = value;
  for (size_t i = 0; i < bootstrap.inbound.size(); ++i) {
    mesh::v1::InboundPort& port = *options.node.add_inbound();
    port.set_port(bootstrap.inbound[i].port);
    port.set_address(workers.inbound()[i].ToString());
  }
  for (const std::string& ip : bootstrap.captured_addresses)
    options.node.add_captured_addresses(ip);
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
  served.set_issuer_key_id(leaf.issuer_key_id);
  served.set_root_key_id(identity.context()->identity().chain_info().back().issuer_key_id);
  return served;
}

// Null when nobody is to be asked.
std::unique_ptr<identity::PeerResponders> MakeResponders(event::Loop& loop,
                                                         const Bootstrap& bootstrap,
                                                         telemetry::Shard& metrics) {
  if (!bootstrap.responders) return nullptr;
  identity::PeerResponders::Options options;
  options.networks = bootstrap.responders->networks;
  options.timeout = bootstrap.responders->timeout;
  options.metrics = &metrics;
  return std::make_unique<identity::PeerResponders>(loop, std::move(options));
}

tls::RevocationMode OriginationMode(const Bootstrap& bootstrap) {
  return bootstrap.responders ? bootstrap.responders->origination_mode : tls::RevocationMode::kSoft;
}

identity::Manager::Options IdentityOptions(const Bootstrap& bootstrap, telemetry::Shard& metrics,
                                           tls::Responders* responders) {
  identity::Manager::Options options;
  options.trust_domain = bootstrap.trust_domain;
  options.roots_pem = bootstrap.roots_pem;
  options.federated = bootstrap.identity.federated;
  options.precedence = bootstrap.identity.precedence;
  options.source = std::string(SourceName(bootstrap.identity));
  options.rules = bootstrap.rules;
  options.responders = responders;
  options.metrics = &metrics;
  return options;
}

absl::StatusOr<std::unique_ptr<control::WorkloadApiServer>> ServeWorkloadApi(
    event::Loop& loop, const Bootstrap& bootstrap, telemetry::Metrics& metrics) {
  if (!bootstrap.workload_api.has_value()) return std::unique_ptr<control::WorkloadApiServer>();
  control::WorkloadApiServer::Options options;
  options.path = bootstrap.workload_api->socket;
  options.mode = bootstrap.workload_api->mode;
  options.uids = bootstrap.workload_api->uids;
  options.metrics = &metrics;
  return control::WorkloadApiServer::Create(loop, std::move(options));
}

// Null when none is wanted.
absl::StatusOr<std::unique_ptr<identity::Cache>> OpenCache(const Bootstrap& bootstrap) {
  const std::string& directory = bootstrap.identity.cache_directory;
  if (directory.empty()) return std::unique_ptr<identity::Cache>();
  return identity::Cache::Create(directory);
}

// What was kept before a restart serves until the source gives something newer.
void UseKept(const identity::Cache& cache, const base::SpiffeId& id, identity::Manager& identity) {
  auto kept = cache.Load(id, absl::Now());
  absl::Status used = kept.ok() ? identity.OnIdentity(*std::move(kept)) : kept.status();
  if (used.ok() || absl::IsNotFound(used)) return;
  base::Log(base::LogLevel::kWarning, "identity", "the kept identity is not used",
            {{"error", std::string(used.message())}});
}

void LogFailure(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return;
  base::Log(base::LogLevel::kWarning, "identity", what, {{"error", std::string(status.message())}});
}

absl::StatusOr<std::unique_ptr<telemetry::AccessLog>> OpenAccessLog(const Bootstrap& bootstrap,
                                                                    telemetry::Metrics& metrics) {
  if (bootstrap.access_log.empty()) return std::unique_ptr<telemetry::AccessLog>();
  telemetry::AccessLog::Options options;
  options.path = bootstrap.access_log;
  options.metrics = &metrics;
  return telemetry::AccessLog::Create(options);
}

// Zero: no limit is known.
uint64_t MemoryLimitOf(const Bootstrap& bootstrap) {
  if (bootstrap.memory_limit != 0) return bootstrap.memory_limit;
  return ControlGroupMemoryLimit("").value_or(0);
}

// Where the application listens: at its pod's address if its traffic is captured.
ApplicationProbes::Target ProbedAddress(const Bootstrap& bootstrap) {
  if (bootstrap.captured_addresses.empty()) return {"127.0.0.1", ""};
  const std::string& own = bootstrap.captured_addresses.front();
  const bool v6 = absl::StrContains(own, ':');
  return {own, std::string(v6 ? capture::kApplicationSource6 : capture::kApplicationSource4)};
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

  // Connections, and whom their handshakes may ask.
  const auto responders = MakeResponders(*loop, bootstrap, shard);
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<Workers> workers,
                        Workers::Create(*loop, bootstrap, metrics, access_log.get()));

  // The identity they use.
  KITH_ASSIGN_OR_RETURN(
      const std::unique_ptr<identity::Manager> identity,
      identity::Manager::Create(IdentityOptions(bootstrap, shard, responders.get())));
  KITH_ASSIGN_OR_RETURN(
      const std::unique_ptr<CrlFiles> crl_files,
      CrlFiles::Create(*loop, {.files = bootstrap.crl_files,
                               .use = [&](tls::Crls crls) { return identity->SetCrls(crls); },
                               .metrics = &shard}));
  control::Channel channel({.address = bootstrap.control_plane,
                            .server_name = bootstrap.server_name,
                            .roots_pem = bootstrap.roots_pem,
                            .roots_file = bootstrap.trust_bundle_file,
                            .more_roots = [&] { return identity->roots_pem(); }});
  KITH_ASSIGN_OR_RETURN(const base::SpiffeId id, bootstrap.Id());
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<identity::Cache> cache, OpenCache(bootstrap));
  KITH_ASSIGN_OR_RETURN(const IdentitySource source, MakeSource(*loop, bootstrap, channel));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<control::WorkloadApiServer> workload_api,
                        ServeWorkloadApi(*loop, bootstrap, metrics));

  // What they are told.
  std::function<void()> files_changed;
  OriginationFiles originations(*loop, {.changed = [&] { files_changed(); },
                                        .revocation = OriginationMode(bootstrap),
                                        .responders = responders.get(),
                                        .metrics = &shard});
  Receiver receiver(*workers, originations, *identity, *source.source);
  control::DiscoveryClient discovery(*loop, channel, receiver,
                                     DiscoveryOptions(bootstrap, *workers, shard));
  files_changed = [&] { receiver.SetConfig(discovery.current()); };
  workers->want_service = [&](const std::string& address) { discovery.Want(address); };
  Departure departure(*loop, discovery, *workers, bootstrap.drain);

  // What keeps the process within its memory, and small.
  const auto give_back = [&](absl::AnyInvocable<void()> done) {
    workers->ReleaseBuffers([done = std::move(done)]() mutable {
      malloc_trim(0);
      base::ReleaseProgramPages();
      done();
    });
  };
  const MemoryReturn memory_return(*loop, {.usage = ProcessUsage, .give_back = give_back});
  const MemoryGuard memory(
      *loop, {.limit_bytes = MemoryLimitOf(bootstrap),
              .resident_bytes = [] { return ProcessUsage().resident_bytes; },
              .apply = [&](proxy::MemoryPressure now) { workers->SetMemoryPressure(now); },
              .break_off =
                  [&] {
                    workers->CutOffInbound(telemetry::WithReason(
                        absl::ResourceExhaustedError("the sidecar is short of memory"),
                        telemetry::Reason::kMemoryPressure));
                  },
              .give_back = give_back,
              .metrics = &shard});

  // What people and Prometheus ask.
  const StatusSources status{.bootstrap = bootstrap,
                             .identity = *identity,
                             .source = *source.source,
                             .discovery = discovery,
                             .workers = *workers,
                             .departure = departure,
                             .memory = memory,
                             .started = started};
  bool told_ready = false;
  const auto tell_ready = [&] {
    if (told_ready || !NotReady(status).empty()) return;
    told_ready = true;
    base::Log(base::LogLevel::kInfo, "sidecar", "ready",
              {{"workload", absl::StrCat(bootstrap.name_space, "/", bootstrap.name)}});
    base::ReleaseProgramPages();
  };
  receiver.updated = tell_ready;
  identity->Subscribe([&](const std::shared_ptr<const tls::Context>& context) {
    workers->SetTls(context);
    workers->Query([&shard](const Workers::Activity& activity) {
      shard.GetGauge(telemetry::kIdentityWorkersBehind, {})
          .Set(static_cast<double>(activity.workers_behind));
    });
    if (workload_api != nullptr) {
      LogFailure(workload_api->Publish(*context), "the SPIFFE Workload API keeps what it served");
    }
    if (cache != nullptr) LogFailure(cache->Store(context->identity()), "the identity is not kept");
    discovery.SetServedCertificate(Served(*identity));
    tell_ready();
  });
  identity::Stapler stapler(*loop, {.use =
                                        [&](absl::string_view serial, std::string response) {
                                          LogFailure(
                                              identity->SetStaple(serial, std::move(response)),
                                              "an OCSP response is not stapled");
                                        },
                                    .revoked = [&] { source.source->RenewSoon(); },
                                    .random = nullptr,
                                    .metrics = &shard});
  identity->Subscribe([&](const std::shared_ptr<const tls::Context>& context) {
    stapler.SetIdentity(context->options().identity, context->bundle());
  });
  AdminOptions admin_options;
  admin_options.socket = bootstrap.admin_socket;
  admin_options.status = [&](absl::AnyInvocable<void(std::string)> give) {
    workers->Query([&status, give = std::move(give)](const Workers::Activity& activity) mutable {
      give(StatusJson(status, activity));
    });
  };
  admin_options.certificates = [&](absl::AnyInvocable<void(std::string)> give) {
    workers->Query([&status, give = std::move(give)](const Workers::Activity& activity) mutable {
      give(CertificatesJson(status, activity));
    });
  };
  admin_options.rotate = [&] { source.source->RotateNow(); };
  BreakGlass break_glass(*loop, *identity,
                         {.permitted = bootstrap.break_glass_permitted,
                          .longest = bootstrap.break_glass_longest,
                          .metrics = &shard});
  admin_options.break_glass = &break_glass;
  DebugHeaders debug_headers(*loop, {.apply = [&](const std::vector<std::string>& callers) {
    workers->SetDebugCallers(callers);
  }});
  admin_options.debug_headers = &debug_headers;
  admin_options.decisions = [&](const http::EmbeddedRequest& request,
                                http::EmbeddedResponder& responder) {
    return AnswerDecisions({bootstrap, discovery, *workers}, request, responder);
  };
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<http::EmbeddedServer> admin,
                        CreateAdmin(*loop, std::move(admin_options)));
  ApplicationProbes probes(*loop, bootstrap.application_probes, ProbedAddress(bootstrap));
  KITH_ASSIGN_OR_RETURN(
      const std::unique_ptr<http::EmbeddedServer> monitoring,
      CreateMonitoring(
          *loop, bootstrap.monitoring_address, metrics, [&] { return NotReady(status); }, probes));

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
  if (cache != nullptr) UseKept(*cache, id, *identity);
  if (source.roots != nullptr) source.roots->Start(*identity);
  source.source->Start(*identity);
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
