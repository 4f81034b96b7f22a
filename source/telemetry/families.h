// Every metric of every program, in one list: docs/metrics.md is written from it. Names and labels
// of istio_* are Istio's, so that its dashboards work.
// Threads: constants. Owns: nothing. Errors: none.
#pragma once

#include "absl/types/span.h"
#include "source/telemetry/family.h"

namespace kith::telemetry {

// All families, in the order of their declaration here. The process_* ones are not counted in a
// shard: process_metrics.h reads them.
absl::Span<const Family* const> AllFamilies();

// ---- Sidecar: traffic ----
extern const Family kRequests;
extern const Family kRequestDuration;
extern const Family kRequestBytes;
extern const Family kResponseBytes;
extern const Family kTcpSentBytes;
extern const Family kTcpReceivedBytes;
extern const Family kTcpOpened;
extern const Family kTcpClosed;
extern const Family kConnectionsActive;
extern const Family kConnectionsRefused;
extern const Family kConnectionsEnded;
extern const Family kUpstreamConnectionsActive;
extern const Family kUpstreamConnects;
extern const Family kHttpBadRequests;
extern const Family kHttpRetries;
extern const Family kRetriesOverBudget;
extern const Family kHttpTimeouts;
extern const Family kRequestsShed;
extern const Family kMemoryResident;
extern const Family kMemoryLimit;
extern const Family kMemoryPressureLevel;
extern const Family kUpstreamEjections;
extern const Family kUpstreamUnverified;
extern const Family kUpstreamFileReads;
extern const Family kPolicyDecisions;
extern const Family kPolicyAudits;
extern const Family kPolicyDryRuns;
extern const Family kTokens;
extern const Family kRateLimitRefusals;
extern const Family kExternalAuthorizations;
extern const Family kAccessLogDropped;

// ---- Sidecar: handshakes and identity ----
extern const Family kTlsHandshakes;
extern const Family kTlsHandshakesByCertificate;
extern const Family kTlsHandshakeDuration;
extern const Family kCertificateNotAfter;
extern const Family kCertificateNotBefore;
extern const Family kIdentityRotations;
extern const Family kIdentityGeneration;
extern const Family kIdentityWorkersBehind;
extern const Family kTrustBundleGeneration;
extern const Family kWorkloadApiRequests;
extern const Family kWorkloadApiStreams;
extern const Family kBreakGlassActive;
extern const Family kBreakGlassStarts;
extern const Family kRevocationLists;
extern const Family kRevocationFileReads;
extern const Family kOcspFetches;
extern const Family kOcspPeerQuestions;

// ---- Sidecar: configuration ----
extern const Family kConfigUpdates;
extern const Family kConfigLastSuccess;
extern const Family kControlPlaneConnected;

// ---- Control plane ----
extern const Family kCaIssued;
extern const Family kCaRejected;
extern const Family kCaIssueDuration;
extern const Family kCaNotAfter;
extern const Family kCaRootNotAfter;
extern const Family kCaRotationPhase;
extern const Family kCaRotationPending;
extern const Family kCaRotationAdvised;
extern const Family kCaBundleGeneration;
extern const Family kTokenChecks;
extern const Family kXdsConnections;
extern const Family kLeader;
extern const Family kXdsPushes;
extern const Family kXdsAcks;
extern const Family kXdsNacks;
extern const Family kKeyFetches;
extern const Family kWebhookReviews;
extern const Family kBundleFetches;
extern const Family kRegistryFiles;
extern const Family kRegistryReloads;
extern const Family kRegistryResources;

// ---- Every program ----
extern const Family kBuild;
extern const Family kSeriesDropped;
extern const Family kProcessCpuSeconds;
extern const Family kProcessResidentMemory;
extern const Family kProcessOpenFds;
extern const Family kProcessMaxFds;
extern const Family kProcessStartTime;

}  // namespace kith::telemetry
