// A certificate authority that answers OCSP, for tests of who asks: leaves that name a responder,
// and responses about them.
// Threads: one at a time. Owns: its key. Errors: it dies.
#pragma once

#include <openssl/base.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "source/x509/certificate_builder.h"
#include "source/x509/crypto.h"
#include "source/x509/ocsp.h"
#include "source/x509/ocsp_response.h"

namespace kith::test {

class OcspAuthority {
 public:
  struct Leaf {
    bssl::UniquePtr<X509> certificate;
    std::string pem;
    std::string key_pem;
    std::string der;
  };

  explicit OcspAuthority(absl::Time now, const char* name = "ocsp test") : now_(now) {
    auto key = x509::GenerateP256Key();
    x509::CertificateSpec spec;
    spec.kind = x509::CertificateKind::kRoot;
    spec.common_name = name;
    spec.not_before = now - absl::Hours(1);
    spec.not_after = now + absl::Hours(48);
    certificate_ = *x509::BuildSelfSigned(spec, key->get());
    issuer_ = *x509::Issuer::Of(certificate_.get(), *std::move(key));
  }

  // With a SPIFFE ID or a DNS name, and the URLs of responders.
  Leaf Issue(const std::string& name, const std::vector<std::string>& ocsp_urls = {}) const {
    const auto key = x509::GenerateP256Key();
    x509::CertificateSpec spec;
    (name.find("://") == std::string::npos ? spec.dns_names : spec.uris) = {name};
    spec.ocsp_urls = ocsp_urls;
    spec.not_before = now_ - absl::Hours(1);
    spec.not_after = now_ + absl::Hours(24);
    Leaf leaf;
    leaf.certificate = *x509::BuildCertificate(spec, key->get(), issuer_);
    leaf.pem = *x509::CertificatePem(leaf.certificate.get());
    leaf.key_pem = *x509::PrivateKeyPem(key->get());
    uint8_t* der = nullptr;
    const int size = i2d_X509(leaf.certificate.get(), &der);
    const bssl::UniquePtr<uint8_t> owned(der);
    leaf.der.assign(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    return leaf;
  }

  // What is said of a leaf of this authority's, signed by `signer`'s key.
  std::string Respond(const X509& leaf, x509::OcspAnswer answer, const x509::OcspTimes& times,
                      const OcspAuthority& signer) const {
    const auto request = x509::ParseOcspRequest(*x509::MakeOcspRequest(leaf, *certificate_));
    return *x509::BuildOcspResponse(*request, {answer}, times, signer.issuer_);
  }
  std::string Good(const X509& leaf, const x509::OcspTimes& times) const {
    return Respond(leaf, {.status = x509::CertificateStatus::kGood}, times, *this);
  }
  std::string Revoked(const X509& leaf, const x509::OcspTimes& times) const {
    return Respond(leaf,
                   {x509::CertificateStatus::kRevoked, times.this_update,
                    x509::RevocationReason::kKeyCompromise},
                   times, *this);
  }

  const X509& certificate() const { return *certificate_; }
  const x509::Issuer& issuer() const { return issuer_; }
  std::string pem() const { return *x509::CertificatePem(certificate_.get()); }

 private:
  const absl::Time now_;
  bssl::UniquePtr<X509> certificate_;
  x509::Issuer issuer_;
};

}  // namespace kith::test
