// The rules of SPIFFE X509-SVID for a single certificate, the same for our own and a peer's; who
// signed it is checked elsewhere (peer.h).
// Threads: any. Owns: nothing.
// Errors: INVALID_ARGUMENT that says which rule is broken and by what, with its reason.
#pragma once

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "source/base/spiffe_id.h"
#include "source/telemetry/reason.h"

typedef struct x509_st X509;

namespace kith::tls {

struct SvidCheck {
  absl::Status status;
  telemetry::Reason reason = telemetry::Reason::kNone;
  absl::optional<base::SpiffeId> id;  // Set when the status is OK.
};

// A leaf: exactly one URI SAN, which is the SPIFFE ID of a workload; not a CA; usable for
// signatures and for nothing above; a strong key.
SvidCheck CheckSvid(const X509& leaf);

// The key is RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519.
absl::Status CheckKeyStrength(const X509& certificate);
// The signature on it uses SHA-256 or better.
absl::Status CheckSignatureStrength(const X509& certificate);
// A CA that may sign certificates.
absl::Status CheckSigner(const X509& certificate);

}  // namespace kith::tls
