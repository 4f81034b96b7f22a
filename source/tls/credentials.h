// Who this workload is and whom it trusts, ready for handshakes: a private key, the identity (leaf,
// key, chain) and the roots by trust domain.
// Threads: immutable after creation; shared by every thread.
// Owns: BoringSSL's objects, which never leave tls/, identity/ and the CA. Keys are never printed.
// Errors: INVALID_ARGUMENT that says which certificate of which input is wrong and how.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/spiffe_id.h"
#include "source/tls/certificate_info.h"
#include "source/tls/revocation.h"

typedef struct evp_pkey_st EVP_PKEY;
typedef struct x509_st X509;

namespace kith::tls {

class PrivateKey {
 public:
  static absl::StatusOr<std::shared_ptr<const PrivateKey>> GenerateP256();
  // PKCS#8, SEC 1 or PKCS#1, unencrypted; at most 64 KiB.
  static absl::StatusOr<std::shared_ptr<const PrivateKey>> FromPem(absl::string_view pem);
  ~PrivateKey();
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;

  // PKCS#10, PEM: empty subject, one URI SAN, signed by this key (SPIFFE X509-SVID; both istiod and
  // istio-csr accept it).
  absl::StatusOr<std::string> CertificateRequest(const base::SpiffeId& id) const;

  EVP_PKEY* get() const { return key_; }

 private:
  explicit PrivateKey(EVP_PKEY* key) : key_(key) {}
  EVP_PKEY* key_;
};

class Identity {
 public:
  // `chain_pem`: the leaf first, then each one's issuer; at most 10 certificates and 64 KiB. The
  // leaf must be an X509-SVID (svid.h) and carry `key`'s public key.
  static absl::StatusOr<std::shared_ptr<const Identity>> Create(
      absl::string_view chain_pem, std::shared_ptr<const PrivateKey> key);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

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
  Identity(std::vector<X509*> chain, std::shared_ptr<const PrivateKey> key, base::SpiffeId id);
  std::vector<X509*> chain_;
  std::shared_ptr<const PrivateKey> key_;
  base::SpiffeId id_;
  std::vector<CertificateInfo> chain_info_;
};

// Roots by trust domain: a peer's chain is checked against the roots of its own trust domain only
// (SPIFFE X509-SVID §5). Each of them is an anchor, self-signed or not. Beside them the lists of
// what they, and CAs below them, have revoked.
class TrustBundle {
 public:
  struct Domain {
    std::string trust_domain;
    std::string roots_pem;    // At most 256 certificates and 1 MiB.
    uint64_t generation = 0;  // As whoever gave it counts; zero: not counted.
    // Key ids, lower-case hex, of issuers that are to go: leaves of theirs are renewed soon.
    std::vector<std::string> retiring_key_ids = {};
    std::vector<std::string> crls = {};  // DER.
  };
  // A domain without a usable root, or with one that is no CA, is an error, and so is a revocation
  // list that bears a root's name without its signature. `more_crls` are those of files.
  static absl::StatusOr<std::shared_ptr<const TrustBundle>> Create(std::vector<Domain> domains,
                                                                   const Crls& more_crls = {});
  ~TrustBundle();
  TrustBundle(const TrustBundle&) = delete;
  TrustBundle& operator=(const TrustBundle&) = delete;

  // Empty when the domain is unknown.
  const std::vector<X509*>& RootsOf(absl::string_view trust_domain) const;
  const std::vector<Domain>& domains() const { return domains_; }
  std::vector<CertificateInfo> RootInfo(absl::string_view trust_domain) const;
  const RevocationLists& revoked() const { return *revoked_; }

 private:
  explicit TrustBundle(std::vector<Domain> domains);
  absl::Status AddRoots(size_t domain);
  absl::Status AddCrls(size_t domain, Crls& to) const;

  std::vector<Domain> domains_;
  std::vector<std::vector<X509*>> roots_;  // Of domains_[i]; they are few.
  std::unique_ptr<const RevocationLists> revoked_;
};

}  // namespace kith::tls
