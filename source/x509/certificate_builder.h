// Puts an X.509 v3 certificate together and signs it.
// Threads: any, also several with one issuer at once: the issuer is only read.
// Owns: nothing beyond what it returns. Errors: INTERNAL when BoringSSL refuses.
#pragma once

#include <openssl/base.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace kith::x509 {

// Who signs. The name and identifier are kept as bytes so that threads share no X509 object.
struct Issuer {
  bssl::UniquePtr<EVP_PKEY> key;
  std::string name_der;        // Of the subject of its certificate.
  std::string key_identifier;  // Of its certificate; empty leaves the extension out.

  // Of `certificate`, whose key `key` is.
  static absl::StatusOr<Issuer> Of(X509* certificate, bssl::UniquePtr<EVP_PKEY> key);
};

enum class CertificateKind {
  kRoot,          // CA.
  kIntermediate,  // CA that a root signed.
  kWorkload,      // serverAuth and clientAuth.
  kServer,        // serverAuth only.
  kClient,        // clientAuth only.
};

struct CertificateSpec {
  CertificateKind kind = CertificateKind::kWorkload;
  std::string organization;  // With `common_name`, the subject; both empty: an empty subject,
  std::string common_name;   // which makes the alternative names critical.
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  absl::Time not_before;  // Whole seconds: a fraction is cut off.
  absl::Time not_after;
  // Of a CA: how many more may stand below it. Without one there is no bound.
  absl::optional<uint8_t> path_length = {};
  // Where its status can be asked (authority information access), and where its issuer's
  // revocation list is (CRL distribution point); http URLs.
  std::vector<std::string> ocsp_urls = {};
  std::vector<std::string> crl_urls = {};
};

struct NewCertificate {
  std::string der;
  std::string serial;  // Lower-case hex.
};
// A random serial of 128 bits, positive; the key usages that belong to the kind. The key it
// certifies is a SubjectPublicKeyInfo that has been parsed (crypto.h, signing_request.h).
absl::StatusOr<NewCertificate> MakeCertificate(const CertificateSpec& spec,
                                               absl::string_view public_key_info,
                                               const Issuer& issuer);
// The same for who goes on to work with it.
absl::StatusOr<bssl::UniquePtr<X509>> BuildCertificate(const CertificateSpec& spec,
                                                       EVP_PKEY* subject_key, const Issuer& issuer);
// Signed by the key it certifies.
absl::StatusOr<bssl::UniquePtr<X509>> BuildSelfSigned(const CertificateSpec& spec, EVP_PKEY* key);

}  // namespace kith::x509
