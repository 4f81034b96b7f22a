#include "source/controlplane/run.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/base/version.h"
#include "source/controlplane/admin.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/authenticate.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/ca/ca_metrics.h"
#include "source/controlplane/ca/certificate_service.h"
#include "source/controlplane/ca/serving_certificate.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/controlplane/ca/token_issuer.h"
#include "source/controlplane/ca/token_key.h"
#include "source/controlplane/ca/token_verifier.h"
#include "source/controlplane/distribution/discovery_service.h"
#include "source/controlplane/distribution/hub.h"
#include "source/controlplane/distribution/server.h"
#include "source/controlplane/issuance_book.h"
#include "source/controlplane/keys/key_fetch.h"
#include "source/controlplane/keys/key_keeper.h"
#include "source/controlplane/metrics.h"
#include "source/controlplane/monitoring.h"
#include "source/controlplane/registry/directory_registry.h"
#include "source/controlplane/status_json.h"
#include "source/event/loop.h"
#include "source/event/signal.h"

namespace kith::controlplane {
namespace {

constexpr absl::Duration kStopGrace = absl::Seconds(2);

}  // namespace

absl::Status Run(const Settings& settings) {
  base::SetLogLevel(settings.log_level);
  const absl::Time started = absl::Now();
  telemetry::Metrics metrics;
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Loop> loop, event::Loop::Create());

  // The certificate authority.
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<StateDirectory> state,
                        StateDirectory::Open(settings.config.state_directory()));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<AuditLog> audit,
                        AuditLog::Open({.state = state.get()}));
  KITH_ASSIGN_OR_RETURN(AuthorityOptions authority_options,
                        AuthorityOptions::From(settings.config));
  authority_options.state = state.get();
  authority_options.audit = audit.get();
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<CertificateAuthority> authority,
                        CertificateAuthority::Create(std::move(authority_options)));

  // Who may call: tokens made here.
  KITH_ASSIGN_OR_RETURN(const std::shared_ptr<const TokenKey> token_key,
                        TokenKey::LoadOrCreate(*state));
  KITH_ASSIGN_OR_RETURN(TokenIssuer::Options token_options,
                        TokenIssuer::Options::From(settings.config));
  token_options.key = token_key;
  token_options.audit = audit.get();
  const TokenIssuer tokens(token_options);
  const LocalTokenVerifier verifier(
      {.key = token_key, .issuer = token_options.issuer, .audience = token_options.audience});
  CaMetrics ca_metrics(metrics);
  absl::Time roots_end = absl::InfinitePast();
  for (const CertificateFacts& root : authority->roots()) {
    roots_end = std::max(roots_end, root.not_after);
  }
  ca_metrics.SetNotAfter(roots_end, authority->issuer_not_after());
  const Authenticator authenticator(verifier, ca_metrics);

  // The mesh's documents, and what sidecars are told of them.
  LoopMetrics loop_metrics(metrics);
  Hub hub(*loop, {.mesh = settings.mesh,
                  .roster = {},
                  .roster_file = state->File("workloads.json"),
                  .observer = &loop_metrics});
  KeyKeeper::Options key_options = settings.keys;
  key_options.fetch = [&settings](const std::string& url, absl::Duration timeout) {
    return settings.key_fetch.Get(url, timeout);
  };
  key_options.count = [&loop_metrics](bool fetched) { loop_metrics.CountKeyFetch(fetched); };
  KeyKeeper keys(*loop, std::move(key_options), [&] { hub.SetState(keys.Resolve()); });
  const auto tell = [&](const std::shared_ptr<const MeshState>& mesh) {
    keys.SetState(mesh);
    hub.SetState(keys.Resolve());
  };
  std::unique_ptr<DirectoryRegistry> registry;
  KITH_ASSIGN_OR_RETURN(
      registry, DirectoryRegistry::Create(*loop,
                                          {.directory = settings.config.registry().directory(),
                                           .last_good_file = state->File("registry-last-good.json"),
                                           .policy = settings.policy,
                                           .watch = {}},
                                          [&](bool changed) {
                                            loop_metrics.Report(*registry);
                                            if (changed) tell(registry->state());
                                          }));
  loop_metrics.Report(*registry);
  tell(registry->state());
  hub.SetTrustBundle(authority->trust_bundle_pem());

  // The port that sidecars call.
  IssuanceBook issuances;
  CertificateService certificates(
      {.authority = authority.get(),
       .authenticator = &authenticator,
       .audit = audit.get(),
       .metrics = &ca_metrics,
       .issued = [&loop = *loop, &issuances](const Issuance& issuance) {
         loop.Post([&issuances, issuance, at = absl::Now()] {
           issuances.Note(issuance.caller.name_space, issuance.caller.service_account,
                          {.serial = issuance.serial, .not_after = issuance.not_after, .at = at});
         });
       }});
  DiscoveryService discovery(*loop, hub, [&](const grpc::CallbackServerContext& context) {
    return authenticator.Authenticate(context.client_metadata());
  });
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<ServingCertificate> serving,
                        ServingCertificate::Create({.loop = loop.get(),
                                                    .authority = authority.get(),
                                                    .state = state.get(),
                                                    .server_names = settings.server_names}));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> server,
                        GrpcServer::Create({.address = settings.address,
                                            .key_file = serving->key_file(),
                                            .chain_file = serving->certificate_file(),
                                            .services = {&certificates, &discovery}}));

  // What people and Prometheus ask.
  KITH_ASSIGN_OR_RETURN(
      const std::unique_ptr<http::EmbeddedServer> admin,
      CreateAdmin(*loop, {.socket = settings.admin_socket, .tokens = &tokens, .status = [&] {
                            return StatusJson({.authority = *authority,
                                               .hub = hub,
                                               .registry = *registry,
                                               .issuances = issuances,
                                               .started = started});
                          }}));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<http::EmbeddedServer> monitoring,
                        CreateMonitoring(*loop, settings.monitoring_address, metrics));

  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Signal> terminate,
                        event::Signal::Create(*loop, SIGTERM, [&] { loop->Stop(); }));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Signal> interrupt,
                        event::Signal::Create(*loop, SIGINT, [&] { loop->Stop(); }));
  base::Log(base::LogLevel::kInfo, "controlplane", "ready",
            {{"version", std::string(base::kVersion)},
             {"trustDomain", settings.mesh.trust_domain},
             {"address", absl::StrCat(settings.address.IpString(), ":", server->port())},
             {"monitoring", monitoring->local().ToString()},
             {"admin", settings.admin_socket.UnixPath()}});
  loop->Run();

  base::Log(base::LogLevel::kInfo, "controlplane", "stopping");
  hub.EndAll(absl::UnavailableError("the control plane is stopping"));
  server->Shutdown(kStopGrace);
  return absl::OkStatus();
}

}  // namespace kith::controlplane
