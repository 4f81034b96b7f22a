// Is a peer who its certificate says? The rules of an X509-SVID, then its chain up to a root of its
// own trust domain.
// Threads: any. Owns: nothing.
// Errors: UNAUTHENTICATED with one of the closed list of reasons and a detail for logs, and the TLS
// alert that tells the peer as much as it may know.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "source/base/spiffe_id.h"
#include "source/telemetry/reason.h"
#include "source/tls/credentials.h"

typedef struct crypto_buffer_st CRYPTO_BUFFER;

namespace kith::tls {

// The peer, after its chain was verified.
struct Peer {
  base::SpiffeId id;
  CertificateInfo leaf;
  absl::Time not_after;  // The first end of validity in its chain.
};

enum class PeerRole : uint8_t { kClient, kServer };

struct PeerVerdict {
  absl::Status status;
  telemetry::Reason reason = telemetry::Reason::kNone;
  uint8_t alert = 0;          // When the status is not OK.
  absl::optional<Peer> peer;  // When its chain was verified, also if its identity is a wrong one.
};

// `chain`: as sent, the leaf first, in DER.
PeerVerdict VerifyPeer(absl::Span<CRYPTO_BUFFER* const> chain, PeerRole role,
                       const TrustBundle& bundle, absl::Time now);

// Verdict on a peer whose chain was verified: is it one of those expected?
void RequireIdentity(absl::Span<const base::SpiffeId> expected, PeerVerdict& verdict);

}  // namespace kith::tls
