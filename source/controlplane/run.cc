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
#include "source/controlplane/ca/crl_publisher.h"
#include "source/controlplane/ca/issue_bounds.h"
#include "source/controlplane/ca/issued_ledger.h"
#include "source/controlplane/ca/ocsp_responder.h"
#include "source/controlplane/ca/revocation_list.h"
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
#include "source/controlplane/registry/name_resolution.h"
#include "source/controlplane/revocation_admin.h"
#include "source/controlplane/revocation_status_routes.h"
#include "source/controlplane/root_rotation.h"
#include "source/controlplane/rotation_admin.h"
#include "source/controlplane/status_json.h"
#include "source/event/loop.h"
#include "source/event/signal.h"
#include "source/event/timer.h"
#include "source/net/resolver.h"

namespace kith::controlplane {
namespace {

constexpr absl::Duration kStopGrace = absl::Seconds(2);
constexpr absl::Duration kRotationInterval = absl::Milliseconds(500);

}  // namespace

absl::Status Run(const Settings& settings) {
  base::SetLogLevel(settings.log_level);
  const absl::Time started = absl::Now();
  telemetry::Metrics metrics;
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<event::Loop> loop, event::Loop::Create());

  // The certificate authority.
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<StateDirectory> state,
                        StateDirectory::Open(settings.config.state_directory()));
  IssuedLedger ledger;
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<AuditLog> audit,
                        AuditLog::Open({.state = state.get(), .ledger = &ledger}));
  KITH_RETURN_IF_ERROR(ledger.Restore(audit->path(), started));
  KITH_ASSIGN_OR_RETURN(
      const std::unique_ptr<RevocationList> revocations,
      RevocationList::Open({.state = state.get(), .audit = audit.get(), .ledger = &ledger}));
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
  const auto show_ends = [&] {
    absl::Time roots_end = absl::InfinitePast();
    for (const CertificateFacts& root : authority->roots()) {
      roots_end = std::max(roots_end, root.not_after);
    }
    ca_metrics.SetNotAfter(roots_end, authority->issuer_not_after());
  };
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
  net::Resolver resolver(*loop);
  const auto tell = [&](const std::shared_ptr<const MeshState>& mesh) {
    keys.SetState(mesh);
    hub.SetState(keys.Resolve());
  };
  NameResolution names(*loop, {.resolve =
                                   [&](const std::string& name, NameResolution::Answer answer) {
                                     resolver.Resolve(name, std::move(answer));
                                   },
                               .changed = [&] { tell(names.state()); }});
  std::unique_ptr<DirectoryRegistry> registry;
  KITH_ASSIGN_OR_RETURN(
      registry, DirectoryRegistry::Create(*loop,
                                          {.directory = settings.config.registry().directory(),
                                           .last_good_file = state->File("registry-last-good.json"),
                                           .policy = settings.policy,
                                           .watch = {}},
                                          [&](bool changed) {
                                            loop_metrics.Report(*registry);
                                            if (!changed) return;
                                            names.SetState(registry->state());
                                            tell(names.state());
                                          }));
  loop_metrics.Report(*registry);
  names.SetState(registry->state());
  tell(names.state());
  KITH_ASSIGN_OR_RETURN(
      const std::unique_ptr<CrlPublisher> crls,
      CrlPublisher::Create({.loop = loop.get(),
                            .state = state.get(),
                            .revocations = revocations.get(),
                            .signers = [&authority] { return authority->signers(); },
                            .published =
                                [&hub, &ledger](const std::vector<PublishedCrl>& published) {
                                  std::vector<std::string> ders;
                                  ders.reserve(published.size());
                                  for (const auto& crl : published) ders.push_back(crl.der);
                                  hub.SetCrls(std::move(ders));
                                  ledger.Prune(absl::Now());
                                }}));

  OcspResponder ocsp({.signers = [&authority] { return authority->signers(); },
                      .ledger = &ledger,
                      .revocations = revocations.get()});

  // The port that sidecars call.
  KITH_ASSIGN_OR_RETURN(IssueBounds::Options bounds_options,
                        IssueBounds::Options::From(settings.config));
  IssueBounds bounds(std::move(bounds_options));
  IssuanceBook issuances;
  CertificateService certificates(
      {.authority = authority.get(),
       .authenticator = &authenticator,
       .audit = audit.get(),
       .metrics = &ca_metrics,
       .revocations = revocations.get(),
       .bounds = &bounds,
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

  // The root's replacement.
  RootRotation rotation({.authority = authority.get(),
                         .audit = audit.get(),
                         .workloads = [&] { return hub.Workloads(); },
                         .distribute =
                             [&](mesh::v1::TrustBundle bundle) {
                               show_ends();
                               hub.SetTrustBundle(std::move(bundle));
                               // What fails now is tried again by the publisher's own timer.
                               if (const absl::Status made = crls->Update(); !made.ok()) {
                                 base::Log(base::LogLevel::kWarning, "ca", made.message());
                               }
                             },
                         .renew_serving = [&] { serving->RenewNow(); },
                         .metrics = &metrics.AddShard()});
  event::Timer rotation_timer(*loop, [&] { rotation.Tick(); });
  rotation_timer.StartRepeating(kRotationInterval);

  // What people and Prometheus ask.
  std::vector<Route> routes = RevocationRoutes(*revocations, *crls);
  for (const char* method : {"GET", "POST"}) {
    routes.push_back({"/v1/ca/rotation", method, [&](const http::EmbeddedRequest& request) {
                        return AnswerRotation(rotation, request);
                      }});
  }
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<http::EmbeddedServer> admin,
                        CreateAdmin(*loop, {.socket = settings.admin_socket,
                                            .tokens = &tokens,
                                            .status =
                                                [&] {
                                                  return StatusJson({.authority = *authority,
                                                                     .hub = hub,
                                                                     .registry = *registry,
                                                                     .issuances = issuances,
                                                                     .started = started});
                                                },
                                            .routes = std::move(routes)}));
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<http::EmbeddedServer> monitoring,
                        CreateMonitoring(*loop, settings.monitoring_address, metrics,
                                         RevocationStatusRoutes(*crls, ocsp)));

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
