// The certificate authority: short-lived X509-SVIDs for workloads and the control plane's own
// server certificate, each written to the audit log before it leaves.
// Threads: any, at once, for what is const; ring(), Adopt(), Reload() and RenewIntermediate()
// belong to one. What signs is replaced as a whole, and a certificate is made with what was there
// when it began. Owns: the key ring. The state directory and the audit log must outlive it. Errors:
// Create() says which file is wrong and what to do. The Issue methods carry a Refusal (refusal.h):
// INVALID_ARGUMENT for the caller's fault, FAILED_PRECONDITION when the issuer has ended,
// UNAVAILABLE when the audit log cannot be written.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/spiffe_id.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/authority_options.h"
#include "source/controlplane/ca/key_ring.h"
#include "source/x509/certificate_builder.h"

namespace kith::controlplane {

struct Signer;

struct IssuedCertificate {
  // The leaf, one intermediate per element, the root bundle last: what sidecars are sent.
  std::vector<std::string> chain_pem;
  std::string serial;  // Lower-case hex.
  std::string key_type;
  absl::Time not_before;
  absl::Time not_after;
  AuditLog::Line audit_line = 0;  // To be flushed before the certificate leaves.
};

struct ServerCertificate {
  std::string chain_pem;  // The leaf, then intermediates.
  std::string key_pem;    // Secret.
  std::string serial;
  absl::Time not_before;
  absl::Time not_after;
};

// Who asks, for the audit log.
struct Requester {
  std::string caller = {};
  std::string token_id = {};
  std::string peer = {};
};

// What status and metrics say of a certificate.
struct CertificateFacts {
  std::string serial;
  std::string subject;
  std::string key_id;
  absl::Time not_before;
  absl::Time not_after;
};

class CertificateAuthority {
 public:
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> Create(AuthorityOptions options);
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  // `csr` is PEM or DER, and only its key is used. A zero lifetime takes the default; more than the
  // maximum is cut to it, less than the minimum refused. No leaf outlives its issuer. The audit log
  // has its line enqueued only: AuditLog::WhenFlushed() is still to say that it is recorded.
  absl::StatusOr<IssuedCertificate> IssueLeaf(const base::SpiffeId& id, absl::string_view csr,
                                              absl::Duration lifetime,
                                              const Requester& requester) const;
  // With a new key, for the control plane's own endpoints: of the kind kServer, or kWorkload where
  // it must be an X509-SVID.
  absl::StatusOr<ServerCertificate> IssueServer(const std::vector<std::string>& dns_names,
                                                absl::Duration lifetime,
                                                x509::CertificateKind kind) const;

  // The roots to trust, PEM.
  std::string trust_bundle_pem() const;
  std::vector<CertificateFacts> roots() const;
  CertificateFacts signer() const;
  // The first end among the signer and what is above it: nothing issued lives longer.
  absl::Time issuer_not_after() const;
  const std::string& trust_domain() const;
  const AuthorityOptions& options() const;

  // For a rotation: a step of the ring, then Adopt(), which takes what the ring says into use.
  KeyRing& ring();
  const KeyRing& ring() const;
  absl::Status Adopt();
  // Takes over what the user's files hold now (key_ring.h); whether that is another certificate.
  absl::StatusOr<bool> Reload();
  // A new intermediate when half of the present one's life is over; none where the root signs.
  absl::Status RenewIntermediate();
  // When the last leaf of the root with this key id ends, at the latest.
  absl::Time LastLeafEnd(const std::string& root_key_id) const;
  absl::Duration default_leaf_lifetime() const;
  // Those whose certificates may live, the one that issues now first: what signs revocation lists.
  std::vector<std::shared_ptr<const Signer>> signers() const;

 private:
  struct State;
  struct Material;
  explicit CertificateAuthority(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace kith::controlplane
