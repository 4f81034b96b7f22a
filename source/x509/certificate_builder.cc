#include "source/x509/certificate_builder.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509v3.h>

#include <utility>

#include "source/base/status.h"
#include "source/x509/crypto.h"

namespace kith::x509 {
namespace {

// GeneralName's tags, RFC 5280 §4.2.1.6.
constexpr unsigned kDnsName = 2;
constexpr unsigned kUri = 6;

const uint8_t* Bytes(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

bool AddExtension(X509* certificate, int nid, bool critical, CBB* value) {
  uint8_t* bytes = nullptr;
  size_t size = 0;
  if (!CBB_finish(value, &bytes, &size)) return false;
  bssl::UniquePtr<uint8_t> owned(bytes);
  bssl::UniquePtr<ASN1_OCTET_STRING> string(ASN1_OCTET_STRING_new());
  if (!string || !ASN1_OCTET_STRING_set(string.get(), bytes, static_cast<int>(size))) return false;
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_NID(nullptr, nid, critical ? 1 : 0, string.get()));
  return extension && X509_add_ext(certificate, extension.get(), -1);
}

bool IsCa(CertificateKind kind) {
  return kind == CertificateKind::kRoot || kind == CertificateKind::kIntermediate;
}

bool AddBasicConstraints(X509* certificate, const CertificateSpec& spec) {
  const bool ca = IsCa(spec.kind);
  bssl::ScopedCBB value;
  CBB sequence;
  return CBB_init(value.get(), 16) && CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE) &&
         (!ca || CBB_add_asn1_bool(&sequence, 1)) &&
         (!ca || !spec.path_length || CBB_add_asn1_uint64(&sequence, *spec.path_length)) &&
         AddExtension(certificate, NID_basic_constraints, true, value.get());
}

bool AddKeyUsage(X509* certificate, bool ca) {
  // Bit 0 is digitalSignature, bit 5 keyCertSign, bit 6 cRLSign; the first byte counts unused bits.
  const uint8_t unused = ca ? 1 : 7;
  const uint8_t bits = ca ? 0x06 : 0x80;
  bssl::ScopedCBB value;
  CBB string;
  return CBB_init(value.get(), 8) && CBB_add_asn1(value.get(), &string, CBS_ASN1_BITSTRING) &&
         CBB_add_u8(&string, unused) && CBB_add_u8(&string, bits) &&
         AddExtension(certificate, NID_key_usage, true, value.get());
}

bool AddExtendedKeyUsage(X509* certificate, CertificateKind kind) {
  if (IsCa(kind)) return true;
  bssl::ScopedCBB value;
  CBB sequence;
  return CBB_init(value.get(), 32) && CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE) &&
         (kind == CertificateKind::kClient || OBJ_nid2cbb(&sequence, NID_server_auth)) &&
         (kind == CertificateKind::kServer || OBJ_nid2cbb(&sequence, NID_client_auth)) &&
         AddExtension(certificate, NID_ext_key_usage, false, value.get());
}

bool AddName(CBB* sequence, unsigned tag, const std::string& name) {
  CBB child;
  return CBB_add_asn1(sequence, &child, CBS_ASN1_CONTEXT_SPECIFIC | tag) &&
         CBB_add_bytes(&child, Bytes(name), name.size()) && CBB_flush(sequence);
}

bool AddSubjectAltName(X509* certificate, const CertificateSpec& spec) {
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
  return AddExtension(certificate, NID_subject_alt_name, empty_subject, value.get());
}

// RFC 5280 §4.2.2.1: AccessDescriptions with the method id-ad-ocsp.
bool AddOcspUrls(X509* certificate, const std::vector<std::string>& urls) {
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
  return AddExtension(certificate, NID_info_access, false, value.get());
}

// RFC 5280 §4.2.1.13: DistributionPoints whose fullName is one URL.
bool AddCrlUrls(X509* certificate, const std::vector<std::string>& urls) {
  if (urls.empty()) return true;
  constexpr unsigned kConstructed = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;
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
        !CBB_add_asn1(&point, &name, kConstructed | 0) ||
        !CBB_add_asn1(&name, &full_name, kConstructed | 0) || !AddName(&full_name, kUri, url) ||
        !CBB_flush(&sequence)) {
      return false;
    }
  }
  return AddExtension(certificate, NID_crl_distribution_points, false, value.get());
}

bool AddKeyIdentifiers(X509* certificate, EVP_PKEY* subject_key, const std::string& issuer_id) {
  std::string id = KeyIdentifier(subject_key);
  bssl::ScopedCBB subject;
  if (!CBB_init(subject.get(), 32) ||
      !CBB_add_asn1_octet_string(subject.get(), Bytes(id), id.size()) ||
      !AddExtension(certificate, NID_subject_key_identifier, false, subject.get())) {
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
         AddExtension(certificate, NID_authority_key_identifier, false, authority.get());
}

bool SetSerial(X509* certificate) {
  std::string bytes;
  // A leading zero byte would shorten what people see; drawing again costs one in 256.
  do {
    bytes = RandomBytes(16);
  } while (bytes[0] == '\0');
  bssl::UniquePtr<BIGNUM> number(BN_bin2bn(Bytes(bytes), bytes.size(), nullptr));
  bssl::UniquePtr<ASN1_INTEGER> serial(ASN1_INTEGER_new());
  return number && serial && BN_to_ASN1_INTEGER(number.get(), serial.get()) &&
         X509_set_serialNumber(certificate, serial.get());
}

bool SetValidity(X509* certificate, absl::Time not_before, absl::Time not_after) {
  bssl::UniquePtr<ASN1_TIME> begin(ASN1_TIME_set(nullptr, absl::ToTimeT(not_before)));
  bssl::UniquePtr<ASN1_TIME> end(ASN1_TIME_set(nullptr, absl::ToTimeT(not_after)));
  return begin && end && X509_set1_notBefore(certificate, begin.get()) &&
         X509_set1_notAfter(certificate, end.get());
}

bool AddNamePart(X509_NAME* name, const char* field, const std::string& value) {
  return value.empty() || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, Bytes(value),
                                                     static_cast<int>(value.size()), -1, 0);
}

bssl::UniquePtr<X509_NAME> SubjectOf(const CertificateSpec& spec) {
  bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  if (!name || !AddNamePart(name.get(), "O", spec.organization) ||
      !AddNamePart(name.get(), "CN", spec.common_name)) {
    return nullptr;
  }
  return name;
}

absl::StatusOr<bssl::UniquePtr<X509>> Build(const CertificateSpec& spec, EVP_PKEY* subject_key,
                                            const X509_NAME* issuer_name,
                                            const std::string& issuer_key_identifier,
                                            EVP_PKEY* issuer_key) {
  bssl::UniquePtr<X509> certificate(X509_new());
  bssl::UniquePtr<X509_NAME> subject = SubjectOf(spec);
  X509* raw = certificate.get();
  if (!certificate || !subject || !X509_set_version(raw, X509_VERSION_3) || !SetSerial(raw) ||
      !SetValidity(raw, spec.not_before, spec.not_after) ||
      !X509_set_subject_name(raw, subject.get()) ||
      !X509_set_issuer_name(raw, const_cast<X509_NAME*>(issuer_name)) ||
      !X509_set_pubkey(raw, subject_key) || !AddBasicConstraints(raw, spec) ||
      !AddKeyUsage(raw, IsCa(spec.kind)) || !AddExtendedKeyUsage(raw, spec.kind) ||
      !AddSubjectAltName(raw, spec) || !AddOcspUrls(raw, spec.ocsp_urls) ||
      !AddCrlUrls(raw, spec.crl_urls) ||
      !AddKeyIdentifiers(raw, subject_key, issuer_key_identifier) ||
      !X509_sign(raw, issuer_key, DigestFor(issuer_key))) {
    return CryptoError("make a certificate");
  }
  return certificate;
}

}  // namespace

absl::StatusOr<Issuer> Issuer::Of(X509* certificate, bssl::UniquePtr<EVP_PKEY> key) {
  uint8_t* name = nullptr;
  int size = i2d_X509_NAME(X509_get_subject_name(certificate), &name);
  if (size < 0) return CryptoError("encode the issuer's name");
  bssl::UniquePtr<uint8_t> owned(name);
  Issuer issuer;
  issuer.key = std::move(key);
  issuer.name_der.assign(reinterpret_cast<char*>(name), static_cast<size_t>(size));
  if (const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate)) {
    issuer.key_identifier.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(id)),
                                 static_cast<size_t>(ASN1_STRING_length(id)));
  }
  return issuer;
}

absl::StatusOr<bssl::UniquePtr<X509>> BuildCertificate(const CertificateSpec& spec,
                                                       EVP_PKEY* subject_key,
                                                       const Issuer& issuer) {
  const uint8_t* der = Bytes(issuer.name_der);
  bssl::UniquePtr<X509_NAME> name(
      d2i_X509_NAME(nullptr, &der, static_cast<long>(issuer.name_der.size())));
  if (!name) return CryptoError("read the issuer's name");
  return Build(spec, subject_key, name.get(), issuer.key_identifier, issuer.key.get());
}

absl::StatusOr<bssl::UniquePtr<X509>> BuildSelfSigned(const CertificateSpec& spec, EVP_PKEY* key) {
  bssl::UniquePtr<X509_NAME> name = SubjectOf(spec);
  if (!name) return CryptoError("make a name");
  return Build(spec, key, name.get(), KeyIdentifier(key), key);
}

}  // namespace kith::x509
