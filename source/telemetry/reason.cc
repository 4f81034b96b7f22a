#include "source/telemetry/reason.h"

#include <iterator>

namespace kith::telemetry {

namespace {

struct Entry {
  Reason reason;
  absl::string_view name;
  absl::string_view cause;
  absl::string_view remedy;
};

constexpr Entry kEntries[] = {
    {Reason::kNone, "-", "Nothing is wrong.", "Nothing is to be done."},
    {Reason::kCertificateExpired, "certificate_expired",
     "A certificate in the peer's chain ended before the verifier's present time.",
     "Compare the two times in the detail: if the clocks differ, mend the clock; else find out on "
     "the peer why it does not renew (kithctl certs show)."},
    {Reason::kCertificateNotYetValid, "certificate_not_yet_valid",
     "A certificate in the peer's chain begins after the verifier's present time.",
     "Compare the two times in the detail and mend the clock that is wrong."},
    {Reason::kUnknownRoot, "unknown_root",
     "The peer's chain does not end in a root this side trusts for the peer's trust domain.",
     "Compare the key id in the detail with the roots that kithctl certs show lists; a peer of "
     "another mesh needs its bundle here."},
    {Reason::kWrongSan, "wrong_san",
     "The server proved an identity that does not belong to the service.",
     "The detail holds the expected and the proven identities: correct the service's principals, "
     "or "
     "find out who answers at that address."},
    {Reason::kBadSpiffeId, "bad_spiffe_id",
     "The peer's certificate has no URI name, several, or one that is no SPIFFE ID.",
     "Have it issued by a SPIFFE authority: exactly one URI name of the form "
     "spiffe://trust-domain/path."},
    {Reason::kForeignTrustDomain, "foreign_trust_domain",
     "The peer's identity belongs to a trust domain this side has no roots for.",
     "If that domain is to be trusted, its bundle must be distributed here."},
    {Reason::kNoClientCertificate, "no_client_certificate",
     "The client finished its part of the handshake without a certificate.",
     "Put the client into the mesh, or make the port PERMISSIVE while it moves."},
    {Reason::kCertificatePurpose, "certificate_purpose",
     "The certificate is not one for this use: a CA as a leaf, or wrong key usages.",
     "Issue a leaf with digitalSignature and both serverAuth and clientAuth."},
    {Reason::kWeakKey, "weak_key", "The peer's key is too weak.",
     "Use P-256, P-384, Ed25519, or RSA of 2048 bits or more."},
    {Reason::kCertificateRevoked, "certificate_revoked",
     "A certificate in the peer's chain is on a revocation list of its issuer, or an OCSP "
     "response says that it is revoked.",
     "Issue a new one if the revocation was meant for the old certificate only; the detail names "
     "the serial and who revoked it when."},
    {Reason::kRevocationUnknown, "revocation_unknown",
     "Nothing in force says whether the peer's certificate was revoked, and revocation is HARD.",
     "Publish a revocation list of the issuer in the detail, see why the last one was not renewed, "
     "or set revocation SOFT in the TrustPolicy."},
    {Reason::kChainTooLong, "chain_too_long",
     "More intermediates stand between the peer's certificate and a root than are allowed.",
     "Issue from a CA nearer to the root, or raise verifyDepth in the TrustPolicy."},
    {Reason::kPinMismatch, "pin_mismatch", "The peer's certificate matches none of the pins.",
     "Compare the digest in the detail with the TrustPolicy: update the pins, keeping a backup "
     "pin, "
     "or find out who answers."},
    {Reason::kBadCertificate, "bad_certificate",
     "A certificate of the peer could not be read or its signature is wrong.",
     "Inspect what the peer presents (openssl s_client -showcerts)."},
    {Reason::kAlertReceived, "alert_received", "The peer refused the handshake with an alert.",
     "The detail names the alert; the peer's own log says why."},
    {Reason::kProtocolVersion, "protocol_version", "No TLS version is allowed by both sides.",
     "Update the peer to TLS 1.3, or set tls.minVersion to TLS1_2."},
    {Reason::kNoSharedCipher, "no_shared_cipher", "No cipher suite or group is allowed by both.",
     "Allow AES-128-GCM and X25519 or P-256 on the peer."},
    {Reason::kNoSharedAlpn, "no_shared_alpn",
     "The client offered application protocols, and none that this port speaks.",
     "Compare the port's declared protocol with what the client speaks."},
    {Reason::kNotTls, "not_tls", "Bytes arrived where TLS was expected that are no TLS.",
     "Find out which client speaks something else to this port."},
    {Reason::kPlaintextOnStrict, "plaintext_on_strict",
     "A client spoke plaintext to a port that takes mutual TLS only.",
     "Put the client into the mesh, or make the port PERMISSIVE while it moves."},
    {Reason::kHandshakeTimeout, "handshake_timeout", "The handshake did not finish in time.",
     "Look for packet loss, an overloaded peer, or a client that connects and stays silent."},
    {Reason::kPeerClosed, "peer_closed", "The peer closed before the handshake was finished.",
     "Look at the peer's log; port scanners and TCP health checks do this too."},
    {Reason::kNoIdentity, "no_identity", "This sidecar has no certificate of its own yet.",
     "See kithctl status --sidecar for the last attempt to get one."},
    {Reason::kPolicyDenied, "policy_denied", "An authorization policy does not allow it.",
     "The log line names the policy and rule, or none when no ALLOW rule matched."},
    {Reason::kTokenRefused, "token_refused",
     "The request's token is not one that a RequestAuthentication accepts.",
     "The detail says what is wrong with it; the client needs a new token, or the policy its "
     "issuer."},
    {Reason::kExternalDenied, "external_denied", "An external authorizer refused it.",
     "Its own log says why; the log line names the CUSTOM policy that asked."},
    {Reason::kExternalFailed, "external_failed",
     "An external authorizer could not be asked, or did not answer in time.",
     "The detail says what failed: check the provider in the mesh configuration and that it runs."},
    {Reason::kRateLimited, "rate_limited", "A rate limit is reached.",
     "The detail names the RateLimitPolicy; slow the client down or raise the limit."},
    {Reason::kBadRequest, "bad_request", "The request is not sound HTTP/1.1, or is ambiguous.",
     "The detail says what is wrong with it; mend the client."},
    {Reason::kRequestTooLarge, "request_too_large",
     "The request's head exceeds the limit, or its body what an authorizer is shown.",
     "Send less, or raise limits.requestHeadBytes or the provider's includeRequestBodyInCheck."},
    {Reason::kUpstreamUnreachable, "upstream_unreachable", "No connection could be made.",
     "Check that the application or sidecar at the address in the detail runs and listens."},
    {Reason::kUpstreamTimeout, "upstream_timeout", "The other side did not answer in time.",
     "Look at its load, or raise the timeout."},
    {Reason::kDeadlineExceeded, "deadline_exceeded",
     "A request's whole time was over before its response was complete.",
     "The time is timeouts.request of the sidecar or the client's grpc-timeout: look at what the "
     "other side does for so long, or raise it."},
    {Reason::kUpstreamReset, "upstream_reset", "The other side broke the connection.",
     "Look at its log at that time."},
    {Reason::kUpstreamProtocolError, "upstream_protocol_error",
     "The other side's response is not sound HTTP/1.1.",
     "The detail says what is wrong with it; mend the application or declare the port TCP."},
    {Reason::kUpstreamCredentials, "upstream_credentials",
     "The certificate, key or CA files that a DestinationRule names cannot be used.",
     "The detail names the file and what is wrong with it; connections work as soon as it is "
     "mended."},
    {Reason::kTlsNotOffered, "tls_not_offered",
     "A database outside the mesh does not take TLS, which its DestinationRule asks for.",
     "Turn TLS on in the database, or remove tls from the DestinationRule."},
    {Reason::kNoEndpoint, "no_endpoint", "The service has no endpoint.",
     "kithctl status shows which workloads are connected; compare their labels with the selector."},
    {Reason::kUnknownService, "unknown_service", "The mesh knows no such service or port.",
     "Define it in the registry, or correct the outbound listener."},
    {Reason::kCircuitOpen, "circuit_open", "A limit of the service's DestinationRule is reached.",
     "Raise connectionPool of the DestinationRule, or find out why the service is slow or who asks "
     "so much."},
    {Reason::kOverload, "overload", "A limit of this sidecar is reached.",
     "Raise limits.connections, or find out who opens so many."},
    {Reason::kMemoryPressure, "memory_pressure",
     "This sidecar is near the memory it may have, and takes nothing new.",
     "Raise limits.memory or the container's limit, or find out who sends so much."},
    {Reason::kConnectionReset, "connection_reset", "The client broke the connection.",
     "Look at the client's log at that time."},
    {Reason::kConnectionExpired, "connection_expired",
     "The connection reached the end of a certificate it was made with, or its maximum age.",
     "Nothing: the application connects again, with the present certificates. If it was too early, "
     "raise the certificates' lifetime or maxConnectionAge in the TrustPolicy."},
    {Reason::kIdleTimeout, "idle_timeout", "Nothing moved on the connection for too long.",
     "Raise timeouts.idle, or have the applications send keep-alives."},
    {Reason::kShuttingDown, "shutting_down", "This sidecar is ending.",
     "Nothing, if that was meant."},
    {Reason::kInternal, "internal", "A defect in Kith.", "Report it with the log lines around it."},
};
static_assert(std::size(kEntries) == kReasonCount, "every reason has an entry");

const Entry& EntryOf(Reason reason) { return kEntries[static_cast<size_t>(reason)]; }

}  // namespace

absl::string_view Name(Reason reason) { return EntryOf(reason).name; }
absl::string_view Cause(Reason reason) { return EntryOf(reason).cause; }
absl::string_view Remedy(Reason reason) { return EntryOf(reason).remedy; }

}  // namespace kith::telemetry
