#include "source/telemetry/families.h"

namespace kith::telemetry {

namespace {

using absl::string_view;

// Istio's bounds, in milliseconds.
constexpr double kMilliseconds[] = {0.5,   1,      5,      10,      25,     50,    100,
                                    250,   500,    1000,   2500,    5000,   10000, 30000,
                                    60000, 300000, 600000, 1800000, 3600000};
constexpr double kBytes[] = {1, 10, 100, 1000, 10000, 100000, 1e6, 1e7, 1e8, 1e9};
constexpr double kSeconds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                               0.1,    0.25,  0.5,    1,     2.5,  5,     10};

constexpr string_view kNoLabels[] = {""};
constexpr string_view kRequestLabels[] = {"reporter",
                                          "source_workload",
                                          "source_workload_namespace",
                                          "source_principal",
                                          "destination_workload",
                                          "destination_workload_namespace",
                                          "destination_principal",
                                          "destination_service",
                                          "destination_service_name",
                                          "destination_service_namespace",
                                          "request_protocol",
                                          "response_code",
                                          "response_flags",
                                          "connection_security_policy"};
constexpr string_view kTcpLabels[] = {"reporter",
                                      "source_workload",
                                      "source_workload_namespace",
                                      "source_principal",
                                      "destination_workload",
                                      "destination_workload_namespace",
                                      "destination_principal",
                                      "destination_service",
                                      "destination_service_name",
                                      "destination_service_namespace",
                                      "request_protocol",
                                      "response_flags",
                                      "connection_security_policy"};
// Histograms are many series each, so theirs are told apart by fewer labels.
constexpr string_view kDistributionLabels[] = {"reporter", "source_principal",
                                               "destination_principal", "destination_service",
                                               "request_protocol"};
constexpr string_view kDirection[] = {"direction"};
constexpr string_view kDirectionReason[] = {"direction", "reason"};
constexpr string_view kReason[] = {"reason"};
constexpr string_view kResult[] = {"result"};
constexpr string_view kWebhookResult[] = {"webhook", "result"};
constexpr string_view kResultReason[] = {"result", "reason"};
constexpr string_view kDecision[] = {"action", "policy", "stream"};
constexpr string_view kLimit[] = {"policy", "stream"};
constexpr string_view kProviderResult[] = {"provider", "result"};
constexpr string_view kHandshake[] = {"side", "result", "reason", "source_principal",
                                      "destination_principal"};
constexpr string_view kSideSerial[] = {"side", "serial"};
constexpr string_view kSide[] = {"side"};
constexpr string_view kCertificate[] = {"kind", "serial", "principal"};
constexpr string_view kRotation[] = {"result", "reason", "source"};
constexpr string_view kTrustDomain[] = {"trust_domain"};
constexpr string_view kRpcResult[] = {"rpc", "result"};
constexpr string_view kTypeResult[] = {"type", "result"};
constexpr string_view kType[] = {"type"};
constexpr string_view kCause[] = {"cause"};
constexpr string_view kKind[] = {"kind"};
constexpr string_view kKeyId[] = {"key_id"};
constexpr string_view kPhase[] = {"phase"};
constexpr string_view kState[] = {"state"};
constexpr string_view kBuildLabels[] = {"component", "tag"};

constexpr absl::Span<const string_view> None() { return absl::MakeConstSpan(kNoLabels, 0); }

}  // namespace

constexpr Family kRequests{"istio_requests_total",
                           MetricType::kCounter,
                           "Requests, by both identities and the response.",
                           kRequestLabels,
                           {}};
constexpr Family kRequestDuration{"istio_request_duration_milliseconds", MetricType::kHistogram,
                                  "From a request's head to the end of its response.",
                                  kDistributionLabels, kMilliseconds};
constexpr Family kRequestBytes{"istio_request_bytes", MetricType::kHistogram,
                               "Sizes of request bodies.", kDistributionLabels, kBytes};
constexpr Family kResponseBytes{"istio_response_bytes", MetricType::kHistogram,
                                "Sizes of response bodies.", kDistributionLabels, kBytes};
constexpr Family kTcpSentBytes{"istio_tcp_sent_bytes_total",
                               MetricType::kCounter,
                               "Bytes sent to the client of TCP connections.",
                               kTcpLabels,
                               {}};
constexpr Family kTcpReceivedBytes{"istio_tcp_received_bytes_total",
                                   MetricType::kCounter,
                                   "Bytes received from the client of TCP connections.",
                                   kTcpLabels,
                                   {}};
constexpr Family kTcpOpened{"istio_tcp_connections_opened_total",
                            MetricType::kCounter,
                            "TCP connections that were let through.",
                            kTcpLabels,
                            {}};
constexpr Family kTcpClosed{"istio_tcp_connections_closed_total",
                            MetricType::kCounter,
                            "TCP connections that have ended.",
                            kTcpLabels,
                            {}};
constexpr Family kConnectionsActive{"kith_connections_active",
                                    MetricType::kGauge,
                                    "Connections accepted and not yet closed.",
                                    kDirection,
                                    {}};
constexpr Family kConnectionsRefused{"kith_connections_refused_total",
                                     MetricType::kCounter,
                                     "Connections that ended before they carried anything.",
                                     kDirectionReason,
                                     {}};
constexpr Family kConnectionsEnded{
    "kith_connections_ended_total",
    MetricType::kCounter,
    "Live connections ended by this sidecar: their time is over, the peer revoked, a new policy.",
    kReason,
    {}};
constexpr Family kPolicyDecisions{
    "kith_policy_decisions_total",
    MetricType::kCounter,
    "Authorization decisions (allow, deny) by deciding policy; \"none\" where none decided.",
    kDecision,
    {}};
constexpr Family kPolicyAudits{"kith_policy_audits_total",
                               MetricType::kCounter,
                               "Requests and connections that an AUDIT policy matched.",
                               kLimit,
                               {}};
constexpr Family kPolicyDryRuns{
    "kith_policy_dry_run_decisions_total",
    MetricType::kCounter,
    "What policies that are only tried out would have decided; \"none\" where none would have.",
    kDecision,
    {}};
constexpr Family kTokens{"kith_request_tokens_total",
                         MetricType::kCounter,
                         "Tokens that requests carried, by what became of them.",
                         kResult,
                         {}};
constexpr Family kRateLimitRefusals{"kith_rate_limited_total",
                                    MetricType::kCounter,
                                    "Requests and connections refused by a rate limit.",
                                    kLimit,
                                    {}};
constexpr Family kExternalAuthorizations{"kith_external_authorizations_total",
                                         MetricType::kCounter,
                                         "Requests that an external authorizer was asked about.",
                                         kProviderResult,
                                         {}};
constexpr Family kAccessLogDropped{"kith_access_log_dropped_total",
                                   MetricType::kCounter,
                                   "Access-log lines lost: the queue was full, or writing failed.",
                                   kCause,
                                   {}};
constexpr Family kTlsHandshakes{"kith_tls_handshakes_total",
                                MetricType::kCounter,
                                "TLS handshakes (ok, failed) by reason and pair of principals.",
                                kHandshake,
                                {}};
constexpr Family kTlsHandshakesByCertificate{
    "kith_tls_handshakes_by_certificate_total",
    MetricType::kCounter,
    "Successful handshakes by serial of our own leaf; the newest leaves only.",
    kSideSerial,
    {}};
constexpr Family kTlsHandshakeDuration{"kith_tls_handshake_duration_seconds",
                                       MetricType::kHistogram, "Time of successful handshakes.",
                                       kSide, kSeconds};
constexpr Family kCertificateNotAfter{"kith_certificate_not_after_timestamp_seconds",
                                      MetricType::kGauge,
                                      "When a certificate ends, in seconds since 1970.",
                                      kCertificate,
                                      {}};
constexpr Family kCertificateNotBefore{"kith_certificate_not_before_timestamp_seconds",
                                       MetricType::kGauge,
                                       "When a certificate begins, in seconds since 1970.",
                                       kCertificate,
                                       {}};
constexpr Family kIdentityRotations{"kith_identity_rotations_total",
                                    MetricType::kCounter,
                                    "Attempts to renew the workload's certificate (ok, failed).",
                                    kRotation,
                                    {}};
constexpr Family kIdentityGeneration{"kith_identity_generation",
                                     MetricType::kGauge,
                                     "How many certificates were put to use since the start.",
                                     None(),
                                     {}};
constexpr Family kIdentityWorkersBehind{"kith_identity_workers_behind",
                                        MetricType::kGauge,
                                        "Workers that do not present the newest certificate yet.",
                                        None(),
                                        {}};
constexpr Family kTrustBundleGeneration{"kith_trust_bundle_generation",
                                        MetricType::kGauge,
                                        "Generation of each trust domain's roots, as their giver "
                                        "counts them; 0 if it does not.",
                                        kTrustDomain,
                                        {}};
constexpr Family kWorkloadApiRequests{"kith_workload_api_requests_total",
                                      MetricType::kCounter,
                                      "Calls of the SPIFFE Workload API that this sidecar serves.",
                                      kRpcResult,
                                      {}};
constexpr Family kWorkloadApiStreams{"kith_workload_api_streams",
                                     MetricType::kGauge,
                                     "Open streams of the SPIFFE Workload API.",
                                     None(),
                                     {}};
constexpr Family kBreakGlassActive{"kith_break_glass_active",
                                   MetricType::kGauge,
                                   "1 while ended certificates are accepted by break-glass.",
                                   None(),
                                   {}};
constexpr Family kBreakGlassStarts{"kith_break_glass_starts_total",
                                   MetricType::kCounter,
                                   "Times break-glass was started.",
                                   None(),
                                   {}};
constexpr Family kRevocationLists{"kith_revocation_lists",
                                  MetricType::kGauge,
                                  "Certificate revocation lists that peers are looked up in.",
                                  None(),
                                  {}};
constexpr Family kRevocationFileReads{"kith_revocation_file_reads_total",
                                      MetricType::kCounter,
                                      "Revocation lists read from files again (ok, failed).",
                                      kResult,
                                      {}};
constexpr Family kOcspFetches{
    "kith_ocsp_fetches_total",
    MetricType::kCounter,
    "Questions to the OCSP responder of the own certificate (ok, revoked, failed).",
    kResult,
    {}};
constexpr Family kOcspPeerQuestions{
    "kith_ocsp_peer_questions_total",
    MetricType::kCounter,
    "Questions to the OCSP responders of peers outside the mesh (ok, revoked, failed).",
    kResult,
    {}};
constexpr Family kConfigUpdates{"kith_config_updates_total",
                                MetricType::kCounter,
                                "Configuration received (ack, nack), by type.",
                                kTypeResult,
                                {}};
constexpr Family kConfigLastSuccess{"kith_config_last_success_timestamp_seconds",
                                    MetricType::kGauge,
                                    "When configuration was last accepted, in seconds since 1970.",
                                    kType,
                                    {}};
constexpr Family kControlPlaneConnected{"kith_control_plane_connected",
                                        MetricType::kGauge,
                                        "1 while the stream to the control plane is open.",
                                        None(),
                                        {}};
constexpr Family kCaIssued{
    "kith_ca_issued_total", MetricType::kCounter, "Certificates issued.", None(), {}};
constexpr Family kCaRejected{"kith_ca_rejected_total",
                             MetricType::kCounter,
                             "Certificate requests refused, by reason.",
                             kReason,
                             {}};
constexpr Family kCaIssueDuration{"kith_ca_issue_duration_seconds", MetricType::kHistogram,
                                  "Time to check, sign and record a certificate.", None(),
                                  kSeconds};
constexpr Family kCaNotAfter{
    "kith_ca_not_after_timestamp_seconds",
    MetricType::kGauge,
    "When the root and the signing certificate end, in seconds since 1970.",
    kKind,
    {}};
constexpr Family kCaRootNotAfter{"kith_ca_root_not_after_timestamp_seconds",
                                 MetricType::kGauge,
                                 "When each root of the bundle ends, in seconds since 1970.",
                                 kKeyId,
                                 {}};
constexpr Family kCaRotationPhase{"kith_ca_rotation_phase",
                                  MetricType::kGauge,
                                  "1 for the phase that the rotation of the root is in.",
                                  kPhase,
                                  {}};
constexpr Family kCaRotationPending{"kith_ca_rotation_pending_workloads",
                                    MetricType::kGauge,
                                    "Workloads that the rotation's present phase waits for.",
                                    None(),
                                    {}};
constexpr Family kCaRotationAdvised{
    "kith_ca_rotation_advised",
    MetricType::kGauge,
    "1 when half of the root's life is over and no rotation is on its way.",
    None(),
    {}};
constexpr Family kCaBundleGeneration{"kith_ca_trust_bundle_generation",
                                     MetricType::kGauge,
                                     "Changes of the trust bundle so far.",
                                     None(),
                                     {}};
constexpr Family kTokenChecks{"kith_token_checks_total",
                              MetricType::kCounter,
                              "Bearer tokens checked (ok, failed), by reason.",
                              kResultReason,
                              {}};
constexpr Family kXdsConnections{"kith_xds_connections",
                                 MetricType::kGauge,
                                 "Sidecars connected for configuration.",
                                 None(),
                                 {}};
constexpr Family kLeader{
    "kith_leader",
    MetricType::kGauge,
    "1 when this control plane acts where one of several must: it holds the Lease, or needs none.",
    None(),
    {}};
constexpr Family kXdsPushes{"kith_xds_pushes_total",
                            MetricType::kCounter,
                            "Responses sent to sidecars, by type.",
                            kType,
                            {}};
constexpr Family kXdsAcks{"kith_xds_acks_total",
                          MetricType::kCounter,
                          "Responses sidecars accepted, by type.",
                          kType,
                          {}};
constexpr Family kXdsNacks{"kith_xds_nacks_total",
                           MetricType::kCounter,
                           "Responses sidecars refused, by type.",
                           kType,
                           {}};
constexpr Family kKeyFetches{"kith_jwks_fetches_total",
                             MetricType::kCounter,
                             "Fetches of token issuers' keys (ok, failed).",
                             kResult,
                             {}};
constexpr Family kBundleFetches{"kith_federation_fetches_total",
                                MetricType::kCounter,
                                "Fetches of other trust domains' roots (ok, failed).",
                                kResult,
                                {}};
constexpr Family kWebhookReviews{
    "kith_webhook_reviews_total",
    MetricType::kCounter,
    "What the Kubernetes API server asked (webhook inject: injected, skipped, refused, bad; "
    "validate: accepted, refused, bad).",
    kWebhookResult,
    {}};
constexpr Family kRegistryFiles{
    "kith_registry_files", MetricType::kGauge, "Configuration files (good, bad).", kState, {}};
constexpr Family kRegistryReloads{"kith_registry_reloads_total",
                                  MetricType::kCounter,
                                  "Times the registry was read again (ok, failed).",
                                  kResult,
                                  {}};
constexpr Family kRegistryResources{
    "kith_registry_resources", MetricType::kGauge, "Resources in force, by kind.", kKind, {}};
constexpr Family kBuild{
    "istio_build", MetricType::kGauge, "The version that runs.", kBuildLabels, {}};
constexpr Family kSeriesDropped{"kith_metrics_series_dropped_total",
                                MetricType::kCounter,
                                "Times a new series was counted as \"overflow\" instead.",
                                None(),
                                {}};

// What every Prometheus client exports of its process; process_metrics.cc reads them.
constexpr Family kProcessCpuSeconds{
    "process_cpu_seconds_total", MetricType::kCounter, "User and system time spent.", None(), {}};
constexpr Family kProcessResidentMemory{
    "process_resident_memory_bytes", MetricType::kGauge, "Resident memory.", None(), {}};
constexpr Family kProcessOpenFds{
    "process_open_fds", MetricType::kGauge, "Open file descriptors.", None(), {}};
constexpr Family kProcessMaxFds{
    "process_max_fds", MetricType::kGauge, "How many file descriptors may be open.", None(), {}};
constexpr Family kProcessStartTime{"process_start_time_seconds",
                                   MetricType::kGauge,
                                   "When the process began, in seconds since 1970.",
                                   None(),
                                   {}};

absl::Span<const Family* const> AllFamilies() {
  static constexpr const Family* kAll[] = {
      &kRequests,
      &kRequestDuration,
      &kRequestBytes,
      &kResponseBytes,
      &kTcpSentBytes,
      &kTcpReceivedBytes,
      &kTcpOpened,
      &kTcpClosed,
      &kConnectionsActive,
      &kConnectionsRefused,
      &kConnectionsEnded,
      &kUpstreamConnectionsActive,
      &kUpstreamConnects,
      &kHttpBadRequests,
      &kHttpRetries,
      &kRetriesOverBudget,
      &kHttpTimeouts,
      &kRequestsShed,
      &kMemoryResident,
      &kMemoryLimit,
      &kMemoryPressureLevel,
      &kUpstreamEjections,
      &kUpstreamUnverified,
      &kUpstreamFileReads,
      &kPolicyDecisions,
      &kPolicyAudits,
      &kPolicyDryRuns,
      &kTokens,
      &kRateLimitRefusals,
      &kExternalAuthorizations,
      &kAccessLogDropped,
      &kTlsHandshakes,
      &kTlsHandshakesByCertificate,
      &kTlsHandshakeDuration,
      &kCertificateNotAfter,
      &kCertificateNotBefore,
      &kIdentityRotations,
      &kIdentityGeneration,
      &kIdentityWorkersBehind,
      &kTrustBundleGeneration,
      &kWorkloadApiRequests,
      &kWorkloadApiStreams,
      &kBreakGlassActive,
      &kBreakGlassStarts,
      &kRevocationLists,
      &kRevocationFileReads,
      &kOcspFetches,
      &kOcspPeerQuestions,
      &kConfigUpdates,
      &kConfigLastSuccess,
      &kControlPlaneConnected,
      &kCaIssued,
      &kCaRejected,
      &kCaIssueDuration,
      &kCaNotAfter,
      &kCaRootNotAfter,
      &kCaRotationPhase,
      &kCaRotationPending,
      &kCaRotationAdvised,
      &kCaBundleGeneration,
      &kTokenChecks,
      &kXdsConnections,
      &kLeader,
      &kXdsPushes,
      &kXdsAcks,
      &kXdsNacks,
      &kKeyFetches,
      &kBundleFetches,
      &kWebhookReviews,
      &kRegistryFiles,
      &kRegistryReloads,
      &kRegistryResources,
      &kBuild,
      &kSeriesDropped,
      &kProcessCpuSeconds,
      &kProcessResidentMemory,
      &kProcessOpenFds,
      &kProcessMaxFds,
      &kProcessStartTime,
  };
  return kAll;
}

}  // namespace kith::telemetry
