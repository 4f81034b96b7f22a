// Who this workload is and whom it trusts, ready for handshakes: a private key, the identity (leaf,
// key, chain) and the roots by trust domain.
// Threads: immutable after creation; shared by every thread.
// Owns: BoringSSL's objects, which never leave tls/, identity/ and the CA. Keys are never printed.
// Errors: INVALID_ARGUMENT that says which certificate of which input is wrong and how.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/spiffe_id.h"

typedef struct evp_pkey_st EVP_PKEY;
typedef struct x509_st X509;

namespace kith::tls {

class PrivateKey {
 public:
  static absl::StatusOr<std::shared_ptr<const PrivateKey>> GenerateP256();
  static absl::StatusOr<std::shared_ptr<const PrivateKey>> FromPem(absl::string_view pem);
  ~PrivateKey();

  // PKCS#10, PEM: empty subject, one URI SAN, signed by this key (SPIFFE X509-SVID; both istiod and
  // istio-csr accept it).
  absl::StatusOr<std::string> CertificateRequest(const base::SpiffeId& id) const;

  EVP_PKEY* get() const { return key_; }

 private:
  explicit PrivateKey(EVP_PKEY* key) : key_(key) {}
  EVP_PKEY* key_;
};

// What logs, metrics and status say of one certificate.
struct CertificateInfo {
  std::string serial;  // Lower-case hex, no leading zeros beyond a byte.
  std::string subject;
  std::string issuer;
  absl::Time not_before;
  absl::Time not_after;
};

class Identity {
 public:
  // `chain_pem`: the leaf first, then intermediates. The leaf must be an X509-SVID (exactly one URI
  // SAN, not a CA, digitalSignature) and carry `key`'s public key.
  static absl::StatusOr<std::shared_ptr<const Identity>> Create(
      absl::string_view chain_pem, std::shared_ptr<const PrivateKey> key);
  ~Identity();

  const base::SpiffeId& id() const { return id_; }
  const CertificateInfo& leaf() const { return chain_info_.front(); }
  // Leaf first.
  const std::vector<CertificateInfo>& chain_info() const { return chain_info_; }
  // The first end of validity among the chain.
  absl::Time not_after() const;

  const std::vector<X509*>& chain() const { return chain_; }
  const PrivateKey& key() const { return *key_; }
  std::string ChainPem() const;

 private:
  Identity(std::vector<X509*> chain, std::shared_ptr<const PrivateKey> key, base::SpiffeId id,
           std::vector<CertificateInfo> info);
  std::vector<X509*> chain_;
  std::shared_ptr<const PrivateKey> key_;
  base::SpiffeId id_;
  std::vector<CertificateInfo> chain_info_;
};

// Roots by trust domain: a peer's chain is checked against the roots of its own trust domain only
// (SPIFFE X509-SVID §5).
class TrustBundle {
 public:
  struct Domain {
    std::string trust_domain;
    std::string roots_pem;
  };
  // A domain without a usable root is an error.
  static absl::StatusOr<std::shared_ptr<const TrustBundle>> Create(std::vector<Domain> domains);
  ~TrustBundle();

  // Empty when the domain is unknown.
  const std::vector<X509*>& RootsOf(absl::string_view trust_domain) const;
  const std::vector<Domain>& domains() const { return domains_; }
  std::vector<CertificateInfo> RootInfo(absl::string_view trust_domain) const;

 private:
  struct Roots;
  TrustBundle(std::vector<Domain> domains, std::unique_ptr<Roots> roots);
  std::vector<Domain> domains_;
  std::unique_ptr<Roots> roots_;
};

}  // namespace kith::tls
