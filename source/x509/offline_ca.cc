#include "source/x509/offline_ca.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"
#include "source/x509/signing_request.h"

namespace kith::x509 {
namespace {

constexpr absl::Duration kBackdate = absl::Minutes(2);
constexpr size_t kMaxName = 64;  // RFC 5280's upper bound of O and CN.

CertificateSpec CaSpec(const AuthoritySpec& authority, absl::string_view role, EVP_PKEY* key,
                       absl::Duration lifetime) {
  CertificateSpec spec;
  spec.kind = CertificateKind::kRoot;
  spec.organization = authority.trust_domain.substr(0, kMaxName);
  spec.common_name =
      authority.common_name.empty()
          // Two of one mesh differ in name, which helps whoever looks at both in a rotation.
          ? absl::StrCat("Kith ", role, " ",
                         absl::BytesToHexString(KeyIdentifier(PublicKeyInfo(key)).substr(0, 4)))
          : absl::StrCat(authority.common_name, " ", role);
  spec.uris = {absl::StrCat("spiffe://", authority.trust_domain)};
  spec.not_before = authority.now - kBackdate;
  spec.not_after = authority.now + lifetime;
  return spec;
}

absl::StatusOr<KeyPair> ToPem(X509* certificate, EVP_PKEY* key) {
  KeyPair pair;
  KITH_ASSIGN_OR_RETURN(pair.certificate_pem, CertificatePem(certificate));
  KITH_ASSIGN_OR_RETURN(pair.key_pem, PrivateKeyPem(key));
  return pair;
}

absl::Status CheckSigner(X509* certificate, EVP_PKEY* key, absl::Time now) {
  const bssl::UniquePtr<EVP_PKEY> certified(X509_get_pubkey(certificate));
  if (!certified || EVP_PKEY_cmp(certified.get(), key) != 1) {
    return absl::InvalidArgumentError(
        "the key of the authority is not that of its first certificate");
  }
  if ((X509_get_extension_flags(certificate) & EXFLAG_CA) == 0 ||
      (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate ", SubjectText(certificate), " may not sign certificates"));
  }
  if (now < NotBefore(certificate) || now >= NotAfter(certificate)) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate ", SubjectText(certificate), " is valid from ",
                     absl::FormatTime(NotBefore(certificate), absl::UTCTimeZone()), " to ",
                     absl::FormatTime(NotAfter(certificate), absl::UTCTimeZone())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Authority> MakeAuthority(const AuthoritySpec& spec) {
  if (spec.common_name.size() + absl::string_view(" intermediate").size() > kMaxName) {
    return absl::InvalidArgumentError("the common name is longer than 51 bytes");
  }
  Authority authority;
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> root_key, GenerateKey(spec.key_type));
  KITH_ASSIGN_OR_RETURN(
      const bssl::UniquePtr<X509> root,
      BuildSelfSigned(CaSpec(spec, "root", root_key.get(), spec.lifetime), root_key.get()));
  KITH_ASSIGN_OR_RETURN(authority.root, ToPem(root.get(), root_key.get()));
  if (spec.intermediate_lifetime <= absl::ZeroDuration()) return authority;

  KITH_ASSIGN_OR_RETURN(const Issuer issuer, Issuer::Of(root.get(), std::move(root_key)));
  KITH_ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, GenerateKey(spec.key_type));
  CertificateSpec wanted = CaSpec(spec, "intermediate", key.get(), spec.intermediate_lifetime);
  wanted.path_length = 0;
  wanted.not_after = std::min(wanted.not_after, NotAfter(root.get()));
  KITH_ASSIGN_OR_RETURN(const bssl::UniquePtr<X509> made,
                        BuildCertificate(wanted, key.get(), issuer));
  KITH_ASSIGN_OR_RETURN(authority.intermediate, ToPem(made.get(), key.get()));
  return authority;
}

absl::StatusOr<std::string> SignRequest(const LeafRequest& request, absl::Time now) {
  auto chain = ParseCertificatesPem(request.ca_chain_pem);
  if (!chain.ok()) return base::Annotate(chain.status(), "certificate of the authority");
  auto key = ParsePrivateKeyPem(request.ca_key_pem);
  if (!key.ok()) return base::Annotate(key.status(), "key of the authority");
  X509* signer = chain->front().get();
  KITH_RETURN_IF_ERROR(CheckSigner(signer, key->get(), now));
  const auto wish = ParseSigningRequest(request.csr);
  if (!wish.ok()) return absl::InvalidArgumentError(wish.status().message());

  CertificateSpec spec = request.spec;
  // No certificate outlives its issuer.
  spec.not_before = std::max(now - kBackdate, NotBefore(signer));
  spec.not_after = std::min(spec.not_after, NotAfter(signer));
  KITH_ASSIGN_OR_RETURN(const Issuer issuer, Issuer::Of(signer, *std::move(key)));
  KITH_ASSIGN_OR_RETURN(const auto leaf, BuildCertificate(spec, wish->key.get(), issuer));
  KITH_ASSIGN_OR_RETURN(std::string pem, CertificatePem(leaf.get()));
  for (const auto& above : *chain) {
    // A root is trusted because the peer has it already.
    if (X509_NAME_cmp(X509_get_subject_name(above.get()), X509_get_issuer_name(above.get())) == 0) {
      continue;
    }
    KITH_ASSIGN_OR_RETURN(const std::string one, CertificatePem(above.get()));
    pem += one;
  }
  return pem;
}

}  // namespace kith::x509
