#include "source/tls/svid.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

constexpr int kMinRsaBits = 2048;

SvidCheck Broken(Reason reason, absl::string_view what) {
  SvidCheck check;
  check.reason = reason;
  check.status = absl::InvalidArgumentError(what);
  return check;
}

// The getters below fill a cache inside the certificate, under its lock; hence not const for them.
X509* Mutable(const X509& certificate) { return const_cast<X509*>(&certificate); }

SvidCheck CheckNames(const X509& leaf) {
  int critical = -1;
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&leaf, NID_subject_alt_name, &critical, nullptr)));
  ERR_clear_error();
  if (names == nullptr) {
    if (critical == -1) return Broken(Reason::kBadSpiffeId, "it has no URI SAN");
    return Broken(Reason::kBadSpiffeId, "its SAN extension is malformed or there twice");
  }
  const GENERAL_NAME* uri = nullptr;
  size_t uris = 0;
  for (size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;  // X509-SVID §2: other types are allowed.
    uri = name;
    ++uris;
  }
  if (uris != 1) {
    return Broken(Reason::kBadSpiffeId,
                  uris == 0 ? "it has no URI SAN"
                            : absl::StrCat("it has ", uris, " URI SANs instead of one"));
  }
  // By its length, never up to a NUL: what follows one would escape the check.
  const ASN1_IA5STRING* text = uri->d.uniformResourceIdentifier;
  absl::StatusOr<base::SpiffeId> id = base::SpiffeId::Parse(
      absl::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                        static_cast<size_t>(ASN1_STRING_length(text))));
  if (!id.ok()) {
    return Broken(Reason::kBadSpiffeId, absl::StrCat("its URI SAN: ", id.status().message()));
  }
  if (id->path().empty()) {
    return Broken(Reason::kBadSpiffeId,
                  absl::StrCat("its URI SAN ", id->text(), " names a trust domain, no workload"));
  }
  SvidCheck check;
  check.id = *std::move(id);
  return check;
}

}  // namespace

SvidCheck CheckSvid(const X509& leaf) {
  // The flags read every extension they are about; a malformed one makes the whole invalid.
  const uint32_t flags = X509_get_extension_flags(Mutable(leaf));
  ERR_clear_error();
  if ((flags & EXFLAG_INVALID) != 0) {
    return Broken(Reason::kBadCertificate, "an extension of it is malformed");
  }
  if ((flags & EXFLAG_CA) != 0) {
    return Broken(Reason::kCertificatePurpose, "it is a CA's certificate, not a workload's");
  }
  // X509-SVID §4.3 has it set and critical. A verifier is asked (§5.2) to look at what it allows:
  // one that is not marked critical is honoured here all the same, so it is not refused.
  if ((flags & EXFLAG_KUSAGE) == 0) {
    return Broken(Reason::kCertificatePurpose, "it has no key usage");
  }
  const uint32_t usage = X509_get_key_usage(Mutable(leaf));
  if ((usage & KU_DIGITAL_SIGNATURE) == 0) {
    return Broken(Reason::kCertificatePurpose, "its key usage lacks digitalSignature");
  }
  if ((usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0) {
    return Broken(Reason::kCertificatePurpose, "its key usage has keyCertSign or cRLSign");
  }
  if ((flags & EXFLAG_XKUSAGE) != 0) {
    const uint32_t both = XKU_SSL_SERVER | XKU_SSL_CLIENT;
    if ((X509_get_extended_key_usage(Mutable(leaf)) & both) != both) {
      return Broken(Reason::kCertificatePurpose,
                    "its extended key usage lacks serverAuth or clientAuth");
    }
  }
  SvidCheck check = CheckNames(leaf);
  if (!check.status.ok()) return check;
  if (absl::Status strength = CheckKeyStrength(leaf); !strength.ok()) {
    return Broken(Reason::kWeakKey, strength.message());
  }
  return check;
}

absl::Status CheckKeyStrength(const X509& certificate) {
  bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(Mutable(certificate)));
  ERR_clear_error();
  if (key == nullptr) return absl::InvalidArgumentError("its key is of no supported kind");
  switch (EVP_PKEY_id(key.get())) {
    case EVP_PKEY_ED25519:
      return absl::OkStatus();
    case EVP_PKEY_RSA: {
      const int bits = EVP_PKEY_bits(key.get());
      if (bits >= kMinRsaBits) return absl::OkStatus();
      return absl::InvalidArgumentError(
          absl::StrCat("its RSA key has ", bits, " bits, fewer than ", kMinRsaBits));
    }
    case EVP_PKEY_EC:
      switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key.get())))) {
        case NID_X9_62_prime256v1:
        case NID_secp384r1:
        case NID_secp521r1:
          return absl::OkStatus();
        default:
          return absl::InvalidArgumentError("its key is on a curve below P-256");
      }
    default:
      return absl::InvalidArgumentError("its key is neither RSA, ECDSA nor Ed25519");
  }
}

absl::Status CheckSignatureStrength(const X509& certificate) {
  const int algorithm = X509_get_signature_nid(&certificate);
  int digest = NID_undef;
  if (OBJ_find_sigid_algs(algorithm, &digest, nullptr) == 0) digest = NID_undef;
  ERR_clear_error();
  switch (digest) {
    case NID_md4:
    case NID_md5:
    case NID_sha1:
      return absl::InvalidArgumentError(
          absl::StrCat("it is signed with ", OBJ_nid2sn(algorithm), ", weaker than SHA-256"));
    default:
      return absl::OkStatus();  // Ed25519 and RSA-PSS name theirs elsewhere; none of them is weak.
  }
}

absl::Status CheckSigner(const X509& certificate) {
  const uint32_t flags = X509_get_extension_flags(Mutable(certificate));
  ERR_clear_error();
  if ((flags & EXFLAG_INVALID) != 0) {
    return absl::InvalidArgumentError("an extension of it is malformed");
  }
  if ((flags & EXFLAG_CA) == 0) return absl::InvalidArgumentError("it is not a CA's certificate");
  if ((flags & EXFLAG_KUSAGE) != 0 &&
      (X509_get_key_usage(Mutable(certificate)) & KU_KEY_CERT_SIGN) == 0) {
    return absl::InvalidArgumentError("its key usage lacks keyCertSign");
  }
  return CheckKeyStrength(certificate);
}

}  // namespace kith::tls
