#include "source/controlplane/ca/signer.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"

namespace kith::controlplane {
namespace {

absl::Status Unusable(absl::string_view file, absl::string_view what) {
  ERR_clear_error();
  return absl::FailedPreconditionError(absl::StrCat(file, ": ", what));
}

std::string Day(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> KeyFrom(const std::string& file, absl::string_view pem,
                                                  absl::string_view remedy) {
  absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> key = x509::ParsePrivateKeyPem(pem);
  if (!key.ok()) return Unusable(file, absl::StrCat(key.status().message(), "; ", remedy));
  absl::StatusOr<std::string> type = x509::AcceptedKeyType(key->get());
  if (!type.ok()) return Unusable(file, type.status().message());
  return key;
}

absl::Status CheckCaCertificate(X509* certificate, const std::string& file, absl::Time now) {
  std::string subject = x509::SubjectText(certificate);
  uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_INVALID) != 0) {
    return Unusable(file, absl::StrCat("certificate ", subject, " has malformed extensions"));
  }
  if ((flags & EXFLAG_CA) == 0) {
    return Unusable(file, absl::StrCat("certificate ", subject,
                                       " is no CA (basic constraints lack CA:TRUE); use one that "
                                       "may issue certificates"));
  }
  // Without the extension every use is allowed, and X509_get_key_usage() has all bits set.
  if ((X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0) {
    return Unusable(file, absl::StrCat("certificate ", subject,
                                       " may not sign certificates (key usage lacks keyCertSign); "
                                       "use one that may"));
  }
  if (x509::NotAfter(certificate) < now) {
    return Unusable(
        file, absl::StrCat("certificate ", subject, " ended on ", Day(x509::NotAfter(certificate)),
                           "; replace it, or check this machine's clock"));
  }
  if (x509::NotBefore(certificate) > now) {
    return Unusable(
        file, absl::StrCat("certificate ", subject, " begins on ",
                           Day(x509::NotBefore(certificate)), "; check this machine's clock"));
  }
  return absl::OkStatus();
}

// The path from `certificate` to one of `roots`, both included; what it says on failure is
// BoringSSL's reason.
absl::StatusOr<std::vector<X509*>> PathToRoot(
    X509* certificate, const std::vector<bssl::UniquePtr<X509>>& intermediates,
    const std::vector<bssl::UniquePtr<X509>>& roots, std::optional<int> purpose, absl::Time now) {
  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  bssl::UniquePtr<STACK_OF(X509)> extra(sk_X509_new_null());
  bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (!store || !extra || !context) return x509::CryptoError("verify a certificate");
  for (const auto& root : roots) {
    if (!X509_STORE_add_cert(store.get(), root.get())) return x509::CryptoError("keep a root");
  }
  for (const auto& intermediate : intermediates) {
    if (!bssl::PushToStack(extra.get(), bssl::UpRef(intermediate))) {
      return x509::CryptoError("keep an intermediate");
    }
  }
  if (!X509_STORE_CTX_init(context.get(), store.get(), certificate, extra.get()) ||
      (purpose && !X509_STORE_CTX_set_purpose(context.get(), *purpose))) {
    return x509::CryptoError("verify a certificate");
  }
  X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(now));
  if (X509_verify_cert(context.get()) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
  }
  std::vector<X509*> path;
  STACK_OF(X509)* chain = X509_STORE_CTX_get_chain(context.get());
  // Every certificate of the path is also held by one of the arguments.
  for (size_t i = 0; i < sk_X509_num(chain); i++) path.push_back(sk_X509_value(chain, i));
  return path;
}

// What both kinds of signer have in common, from here on.
absl::Status Complete(Signer& signer, bssl::UniquePtr<EVP_PKEY> key, absl::Time now) {
  absl::StatusOr<std::vector<X509*>> path =
      PathToRoot(signer.certificate.get(), signer.intermediates, signer.roots, std::nullopt, now);
  if (!path.ok()) {
    return Unusable(signer.source,
                    absl::StrCat("does not lead to a root of the bundle (", path.status().message(),
                                 "); add the missing intermediate or root"));
  }
  signer.not_before = absl::InfinitePast();
  signer.not_after = absl::InfiniteFuture();
  for (X509* certificate : *path) {
    signer.not_before = std::max(signer.not_before, x509::NotBefore(certificate));
    signer.not_after = std::min(signer.not_after, x509::NotAfter(certificate));
  }
  signer.root_key_id = KeyIdText(path->back());
  KITH_ASSIGN_OR_RETURN(signer.key_type, x509::AcceptedKeyType(key.get()));
  KITH_ASSIGN_OR_RETURN(signer.issuer, x509::Issuer::Of(signer.certificate.get(), std::move(key)));
  for (const auto& intermediate : signer.intermediates) {
    KITH_ASSIGN_OR_RETURN(std::string pem, x509::CertificatePem(intermediate.get()));
    signer.intermediates_pem.push_back(std::move(pem));
  }
  signer.roots_pem.clear();
  for (const auto& root : signer.roots) {
    KITH_ASSIGN_OR_RETURN(std::string pem, x509::CertificatePem(root.get()));
    signer.roots_pem += pem;
  }
  return absl::OkStatus();
}

// Certificates of one mesh differ in name, which helps whoever looks at two of them during a
// rotation.
x509::CertificateSpec CaSpec(x509::CertificateKind kind, absl::string_view name, EVP_PKEY* key,
                             const std::string& trust_domain) {
  x509::CertificateSpec spec;
  spec.kind = kind;
  spec.organization = trust_domain.substr(0, 64);  // RFC 5280's upper bound for the field.
  spec.common_name = absl::StrCat(
      name, " ",
      absl::BytesToHexString(x509::KeyIdentifier(x509::PublicKeyInfo(key)).substr(0, 4)));
  spec.uris = {absl::StrCat("spiffe://", trust_domain)};
  return spec;
}

absl::StatusOr<std::string> RootCertificate(EVP_PKEY* key, const std::string& trust_domain,
                                            absl::Duration lifetime, absl::Duration backdate,
                                            absl::Time now) {
  x509::CertificateSpec spec = CaSpec(x509::CertificateKind::kRoot, "Kith root", key, trust_domain);
  spec.not_before = now - backdate;
  spec.not_after = now + lifetime;
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<X509> made, x509::BuildSelfSigned(spec, key));
  return x509::CertificatePem(made.get());
}

bool SameCertificate(const X509* a, const X509* b) { return X509_cmp(a, b) == 0; }

}  // namespace

absl::StatusOr<Signer> LoadOrCreateRoot(const StateDirectory& state, x509::KeyType key_type,
                                        const std::string& trust_domain, absl::Duration lifetime,
                                        absl::Duration backdate, absl::Time now) {
  const std::string certificate_file = state.File(kRootCertificateFile);
  const std::string key_file = state.File(kRootKeyFile);
  KITH_ASSIGN_OR_RETURN(std::optional<std::string> certificate_pem,
                        state.Read(kRootCertificateFile));
  KITH_ASSIGN_OR_RETURN(std::optional<std::string> key_pem, state.Read(kRootKeyFile));

  if (certificate_pem && !key_pem) {
    return Unusable(
        key_file, absl::StrCat("missing, while ", certificate_file,
                               " is there; restore it from a backup, or remove ", certificate_file,
                               " for a new root that every sidecar must be given"));
  }
  bssl::UniquePtr<EVP_PKEY> key;
  if (key_pem) {
    KITH_ASSIGN_OR_RETURN(
        key, KeyFrom(key_file, *key_pem,
                     absl::StrCat("restore it from a backup, or remove it and ", certificate_file,
                                  " for a new root that every sidecar must be given")));
  } else {
    KITH_ASSIGN_OR_RETURN(key, x509::GenerateKey(key_type));
    KITH_ASSIGN_OR_RETURN(std::string pem, x509::PrivateKeyPem(key.get()));
    KITH_RETURN_IF_ERROR(state.Write(kRootKeyFile, pem, 0600));
  }
  if (!certificate_pem) {
    KITH_ASSIGN_OR_RETURN(std::string pem,
                          RootCertificate(key.get(), trust_domain, lifetime, backdate, now));
    KITH_RETURN_IF_ERROR(state.Write(kRootCertificateFile, pem, 0644));
    base::Log(base::LogLevel::kInfo, "ca", "made a root certificate",
              {{"file", certificate_file}, {"not_after", Day(now + lifetime)}});
    certificate_pem = std::move(pem);
  }

  absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> certificates =
      x509::ParseCertificatesPem(*certificate_pem);
  if (!certificates.ok()) {
    return Unusable(certificate_file,
                    absl::StrCat(certificates.status().message(), "; restore it from a backup"));
  }
  if (certificates->size() != 1) {
    return Unusable(certificate_file,
                    absl::StrCat("holds ", certificates->size(),
                                 " certificates where the root alone belongs; a root or "
                                 "intermediate of yours goes into ca.certificate_file"));
  }
  Signer signer;
  signer.source = certificate_file;
  signer.certificate = std::move(certificates->front());
  KITH_RETURN_IF_ERROR(CheckCaCertificate(signer.certificate.get(), certificate_file, now));
  bssl::UniquePtr<EVP_PKEY> certified(X509_get_pubkey(signer.certificate.get()));
  if (!certified || EVP_PKEY_cmp(certified.get(), key.get()) != 1) {
    return Unusable(certificate_file, absl::StrCat("does not belong to the key in ", key_file,
                                                   "; restore both from one backup"));
  }
  signer.roots.push_back(bssl::UpRef(signer.certificate));
  KITH_RETURN_IF_ERROR(Complete(signer, std::move(key), now));
  return signer;
}

absl::StatusOr<Signer> LoadSigner(const SignerFiles& files, absl::Time now) {
  KITH_ASSIGN_OR_RETURN(std::string certificate_pem, ReadFile(files.certificate));
  KITH_ASSIGN_OR_RETURN(std::string key_pem, ReadFile(files.key));
  KITH_ASSIGN_OR_RETURN(std::string roots_pem, ReadFile(files.roots));
  absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> chain =
      x509::ParseCertificatesPem(certificate_pem);
  if (!chain.ok()) return Unusable(files.certificate, chain.status().message());
  absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> roots = x509::ParseCertificatesPem(roots_pem);
  if (!roots.ok()) return Unusable(files.roots, roots.status().message());
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key,
                        KeyFrom(files.key, key_pem, "give the key of the signing certificate"));

  Signer signer;
  signer.source = files.certificate;
  signer.roots = *std::move(roots);
  signer.certificate = bssl::UpRef(chain->front());
  for (const auto& root : signer.roots) {
    // A bundle in the middle of a rotation may still hold a root that has ended.
    if (x509::NotAfter(root.get()) < now) {
      base::Log(base::LogLevel::kWarning, "ca", "a root of the bundle has ended; remove it",
                {{"file", files.roots}, {"subject", x509::SubjectText(root.get())}});
      continue;
    }
    KITH_RETURN_IF_ERROR(CheckCaCertificate(root.get(), files.roots, now));
  }
  for (auto& certificate : *chain) {
    // A root is trusted because the peer has it, so sending it in a chain is of no use.
    bool is_root = std::any_of(signer.roots.begin(), signer.roots.end(), [&](const auto& root) {
      return SameCertificate(root.get(), certificate.get());
    });
    KITH_RETURN_IF_ERROR(CheckCaCertificate(certificate.get(), files.certificate, now));
    if (!is_root) signer.intermediates.push_back(std::move(certificate));
  }
  bssl::UniquePtr<EVP_PKEY> certified(X509_get_pubkey(signer.certificate.get()));
  if (!certified || EVP_PKEY_cmp(certified.get(), key.get()) != 1) {
    return Unusable(files.key,
                    absl::StrCat("is not the key of the first certificate in ", files.certificate,
                                 "; the signing certificate must come first"));
  }
  KITH_RETURN_IF_ERROR(Complete(signer, std::move(key), now));
  return signer;
}

absl::StatusOr<RootPem> MakeRoot(x509::KeyType key_type, const std::string& trust_domain,
                                 absl::Duration lifetime, absl::Duration backdate, absl::Time now) {
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, x509::GenerateKey(key_type));
  RootPem root;
  KITH_ASSIGN_OR_RETURN(root.key, x509::PrivateKeyPem(key.get()));
  KITH_ASSIGN_OR_RETURN(root.certificate,
                        RootCertificate(key.get(), trust_domain, lifetime, backdate, now));
  root.roots = root.certificate;
  return root;
}

absl::StatusOr<Signer> MakeIntermediate(const Signer& root, x509::KeyType key_type,
                                        const std::string& trust_domain, absl::Duration lifetime,
                                        absl::Duration backdate, absl::Time now) {
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, x509::GenerateKey(key_type));
  x509::CertificateSpec spec =
      CaSpec(x509::CertificateKind::kIntermediate, "Kith intermediate", key.get(), trust_domain);
  spec.path_length = 0;  // It signs leaves alone.
  spec.not_before = std::max(now - backdate, root.not_before);
  spec.not_after = std::min(now + lifetime, root.not_after);
  Signer signer;
  signer.source = absl::StrCat(root.source, " (intermediate)");
  KITH_ASSIGN_OR_RETURN(signer.certificate, x509::BuildCertificate(spec, key.get(), root.issuer));
  signer.intermediates.push_back(bssl::UpRef(signer.certificate));
  for (const auto& each : root.intermediates) signer.intermediates.push_back(bssl::UpRef(each));
  for (const auto& each : root.roots) signer.roots.push_back(bssl::UpRef(each));
  KITH_RETURN_IF_ERROR(Complete(signer, std::move(key), now));
  return signer;
}

std::string KeyIdText(const X509* certificate) {
  // It fills a cache inside the certificate, under a lock.
  const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(const_cast<X509*>(certificate));
  if (id == nullptr) return "";
  absl::string_view bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(id)),
                          static_cast<size_t>(ASN1_STRING_length(id)));
  while (bytes.size() > 1 && bytes.front() == '\0') bytes.remove_prefix(1);
  return absl::BytesToHexString(bytes);
}

absl::Status VerifyLeaf(const Signer& signer, X509* leaf, absl::Time now) {
  for (int purpose : {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT}) {
    absl::StatusOr<std::vector<X509*>> path =
        PathToRoot(leaf, signer.intermediates, signer.roots, purpose, now);
    if (!path.ok()) {
      return Unusable(
          signer.source,
          absl::StrCat("certificates it issues would be refused (", path.status().message(),
                       "); look at its path length, name constraints and key usages"));
    }
  }
  return absl::OkStatus();
}

}  // namespace kith::controlplane
