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
#include "source/controlplane/bundle_endpoint.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/authenticate.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/ca/ca_metrics.h"
#include "source/controlplane/ca/certificate_service.h"
#include "source/controlplane/ca/crl_publisher.h"
#include "source/controlplane/ca/issue_bounds.h"
#include "source/controlplane/ca/issued_ledger.h"
#include "source/controlplane/ca/join_tokens.h"
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
#include "source/controlplane/federation.h"
#include "source/controlplane/issuance_book.h"
#include "source/controlplane/issuer_keys.h"
#include "source/controlplane/keys/key_fetch.h"
#include "source/controlplane/keys/key_keeper.h"
#include "source/controlplane/kubernetes/leader_lease.h"
#include "source/controlplane/kubernetes/node_book.h"
#include "source/controlplane/kubernetes/object_source.h"
#include "source/controlplane/kubernetes/pod_book.h"
#include "source/controlplane/kubernetes/publisher.h"
#include "source/controlplane/kubernetes/slice_book.h"
#include "source/controlplane/kubernetes/token_review.h"
#include "source/controlplane/metrics.h"
#include "source/controlplane/monitoring.h"
#include "source/controlplane/registry/directory_registry.h"
#include "source/controlplane/registry/name_resolution.h"
#include "source/controlplane/revocation_admin.h"
#include "source/controlplane/revocation_status_routes.h"
#include "source/controlplane/root_rotation.h"
#include "source/controlplane/rotation_admin.h"
#include "source/controlplane/signer_watch.h"
#include "source/controlplane/status_json.h"
#include "source/controlplane/webhook/webhook.h"
#include "source/event/loop.h"
#include "source/event/signal.h"
#include "source/event/timer.h"
#include "source/net/resolver.h"

namespace kith::controlplane {
namespace {

constexpr absl::Duration kStopGrace = absl::Seconds(2);
constexpr absl::Duration kRotationInterval = absl::Milliseconds(500);

std::vector<mesh::v1::TrustBundle> ToResources(
    const std::vector<tls::TrustBundle::Domain>& domains) {
  std::vector<mesh::v1::TrustBundle> bundles;
  for (const tls::TrustBundle::Domain& domain : domains) {
    mesh::v1::TrustBundle& bundle = bundles.emplace_back();
    bundle.set_trust_domain(domain.trust_domain);
    bundle.set_roots(domain.roots_pem);
    bundle.set_generation(domain.generation);
  }
  return bundles;
}

// Whether this control plane may replace the root, of which others of the cluster know nothing.
absl::Status MayRotate(const LeaderLease* lease, const Settings& settings) {
  if (lease == nullptr) return absl::OkStatus();
  if (!settings.config.ca().certificate_file().empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "start: the root is of ", settings.config.ca().certificate_file(),
        ", by which other control planes of this cluster sign too: replace it in the Secret that "
        "they share (docs/kubernetes.md)"));
  }
  if (lease->leads()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "start: another control plane holds the Lease, or the API server cannot be asked; see "
      "kith_leader");
}

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

  // Who may call: tokens made here, or by who is trusted.
  KITH_ASSIGN_OR_RETURN(const std::shared_ptr<const TokenKey> token_key,
                        TokenKey::LoadOrCreate(*state));
  KITH_ASSIGN_OR_RETURN(TokenIssuer::Options token_options,
                        TokenIssuer::Options::From(settings.config));
  token_options.key = token_key;
  token_options.audit = audit.get();
  const TokenIssuer tokens(token_options);
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<JoinTokens> joins,
                        JoinTokens::Open({.state = state.get(),
                                          .audit = audit.get(),
                                          .trust_domain = token_options.trust_domain}));
  LoopMetrics loop_metrics(metrics);
  KeyKeeper::Options key_options = settings.keys;
  key_options.fetch = [&settings](const std::string& url, absl::Duration timeout) {
    return settings.key_fetch.Get(url, timeout);
  };
  key_options.count = [&loop_metrics](bool fetched) { loop_metrics.CountKeyFetch(fetched); };
  IssuerKeys issuer_keys(*loop, key_options, settings.issuers);
  std::vector<TrustedIssuer> issuers = issuer_keys.issuers();
  issuers.push_back(OwnIssuer(*token_key, token_options.issuer, token_options.audience));
  std::vector<std::string> local_issuers;
  local_issuers.reserve(issuers.size());
  for (const TrustedIssuer& issuer : issuers) local_issuers.push_back(issuer.issuer);
  const JwtVerifier local_verifier(std::move(issuers));
  // And a cluster's own.
  const kubernetes::ApiClient api(settings.kubernetes.value_or(kubernetes::ApiClient::Options()));
  // A call waits for it on a thread of gRPC's.
  kubernetes::ApiClient::Options review_options =
      settings.kubernetes.value_or(kubernetes::ApiClient::Options());
  review_options.timeout = absl::Seconds(5);
  const kubernetes::ApiClient reviews(review_options);
  const TokenReviewVerifier cluster_verifier(
      {.client = &reviews, .audience = token_options.audience});
  // What tokens that are believed without asking the cluster, and addresses, are compared with.
  PodBook pods;
  NodeBook nodes;
  const PodBindingVerifier bound_verifier(local_verifier, pods);
  const EitherVerifier either_verifier(bound_verifier, std::move(local_issuers), cluster_verifier);
  const TokenVerifier& verifier = settings.kubernetes.has_value()
                                      ? static_cast<const TokenVerifier&>(either_verifier)
                                      : local_verifier;
  const JoiningVerifier joining(*joins, verifier);
  CaMetrics ca_metrics(metrics);
  const auto show_ends = [&] {
    absl::Time roots_end = absl::InfinitePast();
    for (const CertificateFacts& root : authority->roots()) {
      roots_end = std::max(roots_end, root.not_after);
    }
    ca_metrics.SetNotAfter(roots_end, authority->issuer_not_after());
  };
  const Authenticator authenticator(verifier, ca_metrics);
  const Authenticator joining_authenticator(joining, ca_metrics);

  // The mesh's documents, and what sidecars are told of them.
  MeshOptions mesh_options = settings.mesh;
  if (settings.kubernetes.has_value()) {
    mesh_options.locality_of = [&pods, &nodes](const std::string& name_space,
                                               const std::string& name) {
      return nodes.LocalityOf(pods.NodeOf(name_space, name));
    };
  }
  Hub hub(*loop, {.mesh = std::move(mesh_options),
                  .roster = {},
                  .roster_file = state->File("workloads.json"),
                  .observer = &loop_metrics,
                  .check_claims = [&pods](const Caller& caller, const Workload& claimed,
                                          const std::string& peer_ip) -> absl::Status {
                    KITH_RETURN_IF_ERROR(PodBook::CheckName(caller, claimed.name));
                    return pods.CheckAddresses(caller, AddressesOf(claimed), peer_ip);
                  }});
  KeyKeeper keys(*loop, std::move(key_options), [&] { hub.SetState(keys.Resolve()); });
  net::Resolver resolver(*loop);
  LatestMesh latest_mesh;
  const auto tell = [&](const std::shared_ptr<const MeshState>& mesh) {
    latest_mesh.Set(mesh);
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
  SliceBook slices;
  std::unique_ptr<ObjectSource> objects;
  if (settings.kubernetes.has_value()) {
    KITH_ASSIGN_OR_RETURN(
        objects, ObjectSource::Create(*loop,
                                      {.client = &api,
                                       .pods = &pods,
                                       .slices = &slices,
                                       .nodes = &nodes,
                                       .slices_changed = [&] { hub.SetPlaced(slices.Snapshot()); }},
                                      [&registry](const ObjectSource::Documents& documents) {
                                        registry->SetObjects(documents);
                                      }));
    hub.SetPlaced(slices.Snapshot());
    registry->SetObjects(objects->documents());
  }
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

  // The roots of other trust domains, and the own ones for them.
  Federation::Options federation_options;
  federation_options.entries = settings.federation.entries;
  federation_options.state = state.get();
  federation_options.count = [&loop_metrics](bool fetched) {
    loop_metrics.CountBundleFetch(fetched);
  };
  const Federation federation(*loop, std::move(federation_options),
                              [&hub](const std::vector<tls::TrustBundle::Domain>& domains) {
                                hub.SetFederatedBundles(ToResources(domains));
                              });
  KITH_ASSIGN_OR_RETURN(const std::unique_ptr<BundleEndpoint> bundle_endpoint,
                        BundleEndpoint::Create(*loop, {.settings = settings.federation.endpoint,
                                                       .authority = authority.get(),
                                                       .server_names = settings.server_names}));

  // The port that sidecars call.
  KITH_ASSIGN_OR_RETURN(IssueBounds::Options bounds_options,
                        IssueBounds::Options::From(settings.config));
  IssueBounds bounds(std::move(bounds_options));
  IssuanceBook issuances;
  CertificateService certificates(
      {.authority = authority.get(),
       .authenticator = &joining_authenticator,
       .audit = audit.get(),
       .metrics = &ca_metrics,
       .revocations = revocations.get(),
       .bounds = &bounds,
       .tokens = &tokens,
       .issued = [&issuances](const Issuance& issuance) {
         issuances.Note(
             issuance.caller.name_space, issuance.caller.service_account,
             {.serial = issuance.serial, .not_after = issuance.not_after, .at = absl::Now()});
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

  // What the Kubernetes API server asks.
  std::unique_ptr<Webhook> webhook;
  if (settings.webhook.has_value()) {
    std::vector<std::string> federated;
    for (const auto& entry : settings.federation.entries) federated.push_back(entry.trust_domain);
    KITH_ASSIGN_OR_RETURN(webhook, Webhook::Create(*loop, {.address = settings.webhook->address,
                                                           .injection = settings.webhook->injection,
                                                           .policy = settings.policy,
                                                           .federated_trust_domains = federated,
                                                           .mesh = &latest_mesh,
                                                           .certificate = serving.get(),
                                                           .metrics = &metrics}));
    base::Log(base::LogLevel::kInfo, "webhook", "serving",
              {{"address", webhook->local().ToString()}});
  }

  std::unique_ptr<LeaderLease> lease;
  const auto leads = [&lease] { return lease == nullptr || lease->leads(); };
  std::unique_ptr<RootsPublisher> publisher;
  if (settings.kubernetes.has_value()) {
    const auto& cluster = settings.config.kubernetes();
    if (!cluster.lease_namespace().empty()) {
      lease = std::make_unique<LeaderLease>(
          LeaderLease::Options{.client = &reviews,
                               .name_space = cluster.lease_namespace(),
                               .identity = LeaderLease::MakeIdentity(),
                               .duration = absl::Seconds(cluster.lease_duration().seconds())});
    }
    publisher = std::make_unique<RootsPublisher>(RootsPublisher::Options{
        .client = &api,
        .roots_pem = authority->trust_bundle_pem(),
        .config_map = cluster.roots_config_map(),
        .webhooks = settings.webhook.has_value() ? cluster.webhook_configuration() : "",
        .ignored_namespaces = {},
        .leads = leads});
  }

  // The root's replacement.
  RootRotation rotation({.authority = authority.get(),
                         .audit = audit.get(),
                         .workloads = [&] { return hub.Workloads(); },
                         .distribute =
                             [&](mesh::v1::TrustBundle bundle) {
                               show_ends();
                               bundle_endpoint->Set(bundle);
                               hub.SetTrustBundle(std::move(bundle));
                               if (publisher != nullptr) {
                                 publisher->SetRoots(authority->trust_bundle_pem());
                               }
                               // What fails now is tried again by the publisher's own timer.
                               if (const absl::Status made = crls->Update(); !made.ok()) {
                                 base::Log(base::LogLevel::kWarning, "ca", made.message());
                               }
                             },
                         .renew_serving = [&] { serving->RenewNow(); },
                         .metrics = &metrics.AddShard(),
                         .may_start = [&] { return MayRotate(lease.get(), settings); },
                         // Twice: once may just have passed when the new root came. And nobody
                         // asks more often than a federation does, whatever the hint says.
                         .publish = settings.federation.endpoint.address.has_value()
                                        ? 2 * std::max(settings.federation.endpoint.refresh_hint,
                                                       Federation::kLeastRefresh)
                                        : absl::ZeroDuration()});
  const SignerWatch signer_watch(*loop,
                                 {.authority = authority.get(), .replaced = [&] {
                                    show_ends();
                                    serving->RenewNow();
                                    if (const absl::Status made = crls->Update(); !made.ok()) {
                                      base::Log(base::LogLevel::kWarning, "ca", made.message());
                                    }
                                  }});
  loop_metrics.SetLeads(leads());
  event::Timer rotation_timer(*loop, [&] {
    loop_metrics.SetLeads(leads());
    rotation.Tick();
  });
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
                                            .joins = joins.get(),
                                            .status =
                                                [&] {
                                                  return StatusJson({.authority = *authority,
                                                                     .hub = hub,
                                                                     .registry = *registry,
                                                                     .issuances = issuances,
                                                                     .started = started});
                                                },
                                            .routes = std::move(routes)}));
  std::vector<Route> public_routes = RevocationStatusRoutes(*crls, ocsp);
  public_routes.push_back(bundle_endpoint->BundleRoute());
  KITH_ASSIGN_OR_RETURN(
      const std::unique_ptr<http::EmbeddedServer> monitoring,
      CreateMonitoring(*loop, settings.monitoring_address, metrics, std::move(public_routes)));

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
