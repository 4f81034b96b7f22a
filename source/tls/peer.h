// Is a peer who its certificate says? The rules of an X509-SVID, then its chain up to a root of its
// own trust domain, then what the workload's own rules ask (trust_rules.h).
// Threads: any. Owns: nothing.
// Errors: UNAUTHENTICATED with one of the closed list of reasons and a detail for logs, and the TLS
// alert that tells the peer as much as it may know.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "source/base/spiffe_id.h"
#include "source/telemetry/reason.h"
#include "source/tls/credentials.h"
#include "source/tls/trust_rules.h"

typedef struct crypto_buffer_st CRYPTO_BUFFER;

namespace kith::tls {

// The peer, after its chain was verified.
struct Peer {
  base::SpiffeId id;
  CertificateInfo leaf;
  absl::Time not_after;  // The first end of validity in its chain.
  // For the revocation lists that come later; shared by copies.
  std::shared_ptr<const ChainKeys> chain = {};
  // Its certificate as it was sent, for peer_certificate.h; shared by copies.
  std::shared_ptr<CRYPTO_BUFFER> certificate = {};
  // Who has signed that, for OCSP; only until its handshake is over, and null with revocation off.
  std::shared_ptr<CRYPTO_BUFFER> issuer = {};
};

// A leaf whose chain was verified, for OCSP (ocsp_word.h). All null: there is none.
struct VerifiedLeaf {
  std::shared_ptr<CRYPTO_BUFFER> certificate = {};
  std::shared_ptr<CRYPTO_BUFFER> issuer = {};  // Null when a root is the leaf itself.
  std::shared_ptr<const ChainKeys> chain = {};
};

enum class PeerRole : uint8_t { kClient, kServer };

struct PeerVerdict {
  absl::Status status;
  telemetry::Reason reason = telemetry::Reason::kNone;
  uint8_t alert = 0;          // When the status is not OK.
  absl::optional<Peer> peer;  // When its chain was verified, also if its identity is a wrong one.
  VerifiedLeaf server = {};   // Of VerifyServer(), which has no peer.
};

// `chain`: as sent, the leaf first, in DER. Of revocation it looks at lists only: see ocsp_word.h.
PeerVerdict VerifyPeer(absl::Span<CRYPTO_BUFFER* const> chain, PeerRole role,
                       const TrustBundle& bundle, absl::Time now, const PeerRules& rules = {});

// A server outside the mesh, whose certificate is no SVID: its chain leads to a root of the first
// domain of `bundle`, is on no list of it, and bears one of `names` (server_names.h). The verdict
// has no peer.
PeerVerdict VerifyServer(absl::Span<CRYPTO_BUFFER* const> chain,
                         absl::Span<const std::string> names, const TrustBundle& bundle,
                         absl::Time now, const PeerRules& rules = {});

// Whether a peer that was verified earlier has been revoked since.
struct Standing {
  absl::Status status;
  telemetry::Reason reason = telemetry::Reason::kNone;
};
Standing CheckStanding(const Peer& peer, const TrustBundle& bundle, absl::Time now,
                       const PeerRules& rules);

// Verdict on a peer whose chain was verified: is it one of those expected?
void RequireIdentity(absl::Span<const base::SpiffeId> expected, PeerVerdict& verdict);

// Whether our own certificate, or one of its chain, is on a list of `bundle`.
bool IsRevoked(const Identity& identity, const TrustBundle& bundle, absl::Time now);

}  // namespace kith::tls
