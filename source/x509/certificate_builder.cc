#include "source/x509/certificate_builder.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"
#include "source/x509/der.h"

namespace kith::x509 {
namespace {

// GeneralName's tags, RFC 5280 §4.2.1.6.
constexpr unsigned kDnsName = 2;
constexpr unsigned kUri = 6;
constexpr unsigned kExplicit = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// With what `value` holds, which is emptied.
bool Extend(CBB* list, int nid, Critical critical, CBB* value) {
  uint8_t* bytes = nullptr;
  size_t size = 0;
  if (!CBB_finish(value, &bytes, &size)) return false;
  const bssl::UniquePtr<uint8_t> owned(bytes);
  return AddExtension(list, nid, {reinterpret_cast<const char*>(bytes), size}, critical);
}

bool IsCa(CertificateKind kind) {
  return kind == CertificateKind::kRoot || kind == CertificateKind::kIntermediate;
}

bool AddBasicConstraints(CBB* list, const CertificateSpec& spec) {
  const bool ca = IsCa(spec.kind);
  bssl::ScopedCBB value;
  CBB sequence;
  return CBB_init(value.get(), 16) && CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE) &&
         (!ca || CBB_add_asn1_bool(&sequence, 1)) &&
         (!ca || !spec.path_length || CBB_add_asn1_uint64(&sequence, *spec.path_length)) &&
         Extend(list, NID_basic_constraints, Critical::kYes, value.get());
}

bool AddKeyUsage(CBB* list, bool ca) {
  // Bit 0 is digitalSignature, bit 5 keyCertSign, bit 6 cRLSign; the first byte counts unused bits.
  const uint8_t unused = ca ? 1 : 7;
  const uint8_t bits = ca ? 0x06 : 0x80;
  bssl::ScopedCBB value;
  CBB string;
  return CBB_init(value.get(), 8) && CBB_add_asn1(value.get(), &string, CBS_ASN1_BITSTRING) &&
         CBB_add_u8(&string, unused) && CBB_add_u8(&string, bits) &&
         Extend(list, NID_key_usage, Critical::kYes, value.get());
}

bool AddExtendedKeyUsage(CBB* list, CertificateKind kind) {
  if (IsCa(kind)) return true;
  bssl::ScopedCBB value;
  CBB sequence;
  return CBB_init(value.get(), 32) && CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE) &&
         (kind == CertificateKind::kClient || OBJ_nid2cbb(&sequence, NID_server_auth)) &&
         (kind == CertificateKind::kServer || OBJ_nid2cbb(&sequence, NID_client_auth)) &&
         Extend(list, NID_ext_key_usage, Critical::kNo, value.get());
}

bool AddName(CBB* sequence, unsigned tag, const std::string& name) {
  CBB child;
  return CBB_add_asn1(sequence, &child, CBS_ASN1_CONTEXT_SPECIFIC | tag) &&
         CBB_add_bytes(&child, Bytes(name), name.size()) && CBB_flush(sequence);
}

bool AddSubjectAltName(CBB* list, const CertificateSpec& spec) {
  if (spec.uris.empty() && spec.dns_names.empty()) return true;
  bssl::ScopedCBB value;
  CBB sequence;
  if (!CBB_init(value.get(), 128) || !CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  for (const std::string& uri : spec.uris) {
    if (!AddName(&sequence, kUri, uri)) return false;
  }
  for (const std::string& name : spec.dns_names) {
    if (!AddName(&sequence, kDnsName, name)) return false;
  }
  bool empty_subject = spec.organization.empty() && spec.common_name.empty();
  return Extend(list, NID_subject_alt_name, empty_subject ? Critical::kYes : Critical::kNo,
                value.get());
}

// RFC 5280 §4.2.2.1: AccessDescriptions with the method id-ad-ocsp.
bool AddOcspUrls(CBB* list, const std::vector<std::string>& urls) {
  if (urls.empty()) return true;
  bssl::ScopedCBB value;
  CBB sequence;
  if (!CBB_init(value.get(), 128) || !CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  for (const std::string& url : urls) {
    CBB description;
    if (!CBB_add_asn1(&sequence, &description, CBS_ASN1_SEQUENCE) ||
        !OBJ_nid2cbb(&description, NID_ad_OCSP) || !AddName(&description, kUri, url) ||
        !CBB_flush(&sequence)) {
      return false;
    }
  }
  return Extend(list, NID_info_access, Critical::kNo, value.get());
}

// RFC 5280 §4.2.1.13: DistributionPoints whose fullName is one URL.
bool AddCrlUrls(CBB* list, const std::vector<std::string>& urls) {
  if (urls.empty()) return true;
  bssl::ScopedCBB value;
  CBB sequence;
  if (!CBB_init(value.get(), 128) || !CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  for (const std::string& url : urls) {
    CBB point;
    CBB name;
    CBB full_name;
    if (!CBB_add_asn1(&sequence, &point, CBS_ASN1_SEQUENCE) ||
        !CBB_add_asn1(&point, &name, kExplicit | 0) ||
        !CBB_add_asn1(&name, &full_name, kExplicit | 0) || !AddName(&full_name, kUri, url) ||
        !CBB_flush(&sequence)) {
      return false;
    }
  }
  return Extend(list, NID_crl_distribution_points, Critical::kNo, value.get());
}

bool AddKeyIdentifiers(CBB* list, absl::string_view public_key_info, const std::string& issuer_id) {
  const std::string id = KeyIdentifier(public_key_info);
  bssl::ScopedCBB subject;
  if (!CBB_init(subject.get(), 32) ||
      !CBB_add_asn1_octet_string(subject.get(), Bytes(id), id.size()) ||
      !Extend(list, NID_subject_key_identifier, Critical::kNo, subject.get())) {
    return false;
  }
  if (issuer_id.empty()) return true;
  bssl::ScopedCBB authority;
  CBB sequence;
  CBB key_id;
  return CBB_init(authority.get(), 32) &&
         CBB_add_asn1(authority.get(), &sequence, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&sequence, &key_id, CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
         CBB_add_bytes(&key_id, Bytes(issuer_id), issuer_id.size()) &&
         Extend(list, NID_authority_key_identifier, Critical::kNo, authority.get());
}

std::string MakeSerial() {
  std::string bytes;
  // A leading zero byte would shorten what people see; drawing again costs one in 256.
  do {
    bytes = RandomBytes(16);
  } while (bytes[0] == '\0');
  return bytes;
}

bool AddNamePart(X509_NAME* name, const char* field, const std::string& value) {
  return value.empty() || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, Bytes(value),
                                                     static_cast<int>(value.size()), -1, 0);
}

absl::StatusOr<std::string> NameDer(X509_NAME* name) {
  uint8_t* der = nullptr;
  const int size = i2d_X509_NAME(name, &der);
  if (size < 0) return CryptoError("encode a name");
  const bssl::UniquePtr<uint8_t> owned(der);
  return std::string(reinterpret_cast<char*>(der), static_cast<size_t>(size));
}

absl::StatusOr<std::string> SubjectOf(const CertificateSpec& spec) {
  if (spec.organization.empty() && spec.common_name.empty()) return std::string("\x30\x00", 2);
  bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  if (!name || !AddNamePart(name.get(), "O", spec.organization) ||
      !AddNamePart(name.get(), "CN", spec.common_name)) {
    return CryptoError("make a name");
  }
  return NameDer(name.get());
}

bool AddBytes(CBB* out, absl::string_view bytes) {
  return CBB_add_bytes(out, Bytes(bytes), bytes.size());
}

bool AddExtensions(CBB* tbs, const CertificateSpec& spec, absl::string_view public_key_info,
                   const std::string& issuer_key_identifier) {
  CBB wrapper;
  CBB list;
  return CBB_add_asn1(tbs, &wrapper, kExplicit | 3) &&
         CBB_add_asn1(&wrapper, &list, CBS_ASN1_SEQUENCE) && AddBasicConstraints(&list, spec) &&
         AddKeyUsage(&list, IsCa(spec.kind)) && AddExtendedKeyUsage(&list, spec.kind) &&
         AddSubjectAltName(&list, spec) && AddOcspUrls(&list, spec.ocsp_urls) &&
         AddCrlUrls(&list, spec.crl_urls) &&
         AddKeyIdentifiers(&list, public_key_info, issuer_key_identifier) && CBB_flush(tbs);
}

// Written by hand: BoringSSL's X509 would be built, encoded and parsed for each certificate, at
// several times the cost of the signature.
absl::StatusOr<NewCertificate> Build(const CertificateSpec& spec, absl::string_view public_key_info,
                                     const std::string& issuer_name,
                                     const std::string& issuer_key_identifier,
                                     EVP_PKEY* issuer_key) {
  KITH_ASSIGN_OR_RETURN(const std::string subject, SubjectOf(spec));
  const std::string serial = MakeSerial();
  bssl::ScopedCBB out;
  CBB tbs;
  CBB version;
  CBB validity;
  if (!CBB_init(out.get(), 1024) || !CBB_add_asn1(out.get(), &tbs, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&tbs, &version, kExplicit | 0) ||
      !CBB_add_asn1_uint64(&version, X509_VERSION_3) || !AddInteger(&tbs, serial) ||
      !AddSignatureAlgorithm(&tbs, issuer_key) || !AddBytes(&tbs, issuer_name) ||
      !CBB_add_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE) || !AddTime(&validity, spec.not_before) ||
      !AddTime(&validity, spec.not_after) || !AddBytes(&tbs, subject) ||
      !AddBytes(&tbs, public_key_info) ||
      !AddExtensions(&tbs, spec, public_key_info, issuer_key_identifier)) {
    return CryptoError("make a certificate");
  }
  KITH_ASSIGN_OR_RETURN(const std::string to_sign, Finish(out.get(), "make a certificate"));
  bssl::ScopedCBB whole;
  CBB certificate;
  if (!CBB_init(whole.get(), to_sign.size() + 128) ||
      !CBB_add_asn1(whole.get(), &certificate, CBS_ASN1_SEQUENCE) ||
      !AddSigned(&certificate, to_sign, issuer_key)) {
    return CryptoError("sign a certificate");
  }
  NewCertificate made;
  made.serial = absl::BytesToHexString(serial);
  KITH_ASSIGN_OR_RETURN(made.der, Finish(whole.get(), "sign a certificate"));
  return made;
}

absl::StatusOr<bssl::UniquePtr<X509>> Parsed(const absl::StatusOr<NewCertificate>& made) {
  if (!made.ok()) return made.status();
  const uint8_t* at = Bytes(made->der);
  bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(made->der.size())));  // NOLINT: its type.
  if (certificate == nullptr) return CryptoError("read a certificate that was just made");
  return certificate;
}

}  // namespace

absl::StatusOr<Issuer> Issuer::Of(X509* certificate, bssl::UniquePtr<EVP_PKEY> key) {
  Issuer issuer;
  KITH_ASSIGN_OR_RETURN(issuer.name_der, NameDer(X509_get_subject_name(certificate)));
  issuer.key = std::move(key);
  if (const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate)) {
    issuer.key_identifier.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(id)),
                                 static_cast<size_t>(ASN1_STRING_length(id)));
  }
  return issuer;
}

absl::StatusOr<NewCertificate> MakeCertificate(const CertificateSpec& spec,
                                               absl::string_view public_key_info,
                                               const Issuer& issuer) {
  return Build(spec, public_key_info, issuer.name_der, issuer.key_identifier, issuer.key.get());
}

absl::StatusOr<bssl::UniquePtr<X509>> BuildCertificate(const CertificateSpec& spec,
                                                       EVP_PKEY* subject_key,
                                                       const Issuer& issuer) {
  return Parsed(MakeCertificate(spec, PublicKeyInfo(subject_key), issuer));
}

absl::StatusOr<bssl::UniquePtr<X509>> BuildSelfSigned(const CertificateSpec& spec, EVP_PKEY* key) {
  KITH_ASSIGN_OR_RETURN(const std::string name, SubjectOf(spec));
  const std::string info = PublicKeyInfo(key);
  return Parsed(Build(spec, info, name, KeyIdentifier(info), key));
}

}  // namespace kith::x509
