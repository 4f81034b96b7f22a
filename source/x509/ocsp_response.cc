#include "source/x509/ocsp_response.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"
#include "source/x509/der.h"
#include "source/x509/ocsp_id.h"

namespace kith::x509 {
namespace {

constexpr unsigned kContext = CBS_ASN1_CONTEXT_SPECIFIC;
constexpr unsigned kExplicit = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;
// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
constexpr uint8_t kBasic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
constexpr size_t kMaxStatements = 64;  // Responders that sign in advance put some into one.
constexpr size_t kMaxResponders = 4;   // Certificates beside the signature that are tried.
constexpr size_t kMaxUrl = 512;
// Of the clocks of who signs and who reads.
constexpr absl::Duration kSkew = absl::Minutes(5);

absl::Status Malformed() { return absl::InvalidArgumentError("not a valid OCSP response"); }

// The pieces of a BasicOCSPResponse; they point into it.
struct Basic {
  CBS data;  // As it was signed.
  int algorithm = NID_undef;
  CBS signature;
  CBS certificates;  // One after the other; empty without any.
};

bool ReadBasic(CBS octets, Basic& basic) {
  CBS sequence;
  CBS algorithm;
  CBS oid;
  CBS wrapper;
  uint8_t unused = 0;
  int has_certificates = 0;
  if (!CBS_get_asn1(&octets, &sequence, CBS_ASN1_SEQUENCE) || CBS_len(&octets) != 0 ||
      !CBS_get_asn1_element(&sequence, &basic.data, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&sequence, &algorithm, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&algorithm, &oid, CBS_ASN1_OBJECT) ||
      !CBS_get_asn1(&sequence, &basic.signature, CBS_ASN1_BITSTRING) ||
      !CBS_get_u8(&basic.signature, &unused) || unused != 0 ||
      !CBS_get_optional_asn1(&sequence, &wrapper, &has_certificates, kExplicit | 0) ||
      CBS_len(&sequence) != 0) {
    return false;
  }
  basic.algorithm = OBJ_cbs2nid(&oid);
  CBS_init(&basic.certificates, nullptr, 0);
  return has_certificates == 0 ||
         (CBS_get_asn1(&wrapper, &basic.certificates, CBS_ASN1_SEQUENCE) && CBS_len(&wrapper) == 0);
}

// OCSPResponse ::= SEQUENCE { responseStatus, [0] SEQUENCE { responseType, response } OPTIONAL }
absl::Status ReadOuter(absl::string_view der, Basic& basic) {
  if (der.size() > kMaxOcspResponse) return Malformed();
  CBS input;
  CBS_init(&input, reinterpret_cast<const uint8_t*>(der.data()), der.size());
  CBS response;
  CBS status;
  uint8_t code = 0;
  if (!CBS_get_asn1(&input, &response, CBS_ASN1_SEQUENCE) || CBS_len(&input) != 0 ||
      !CBS_get_asn1(&response, &status, CBS_ASN1_ENUMERATED) || !CBS_get_u8(&status, &code) ||
      CBS_len(&status) != 0) {
    return Malformed();
  }
  if (code != 0) {
    return absl::UnavailableError(
        absl::StrCat("the OCSP responder answers with its error ", code, " (RFC 6960 §4.2.1)"));
  }
  CBS wrapper;
  CBS bytes;
  CBS type;
  CBS octets;
  if (!CBS_get_asn1(&response, &wrapper, kExplicit | 0) || CBS_len(&response) != 0 ||
      !CBS_get_asn1(&wrapper, &bytes, CBS_ASN1_SEQUENCE) || CBS_len(&wrapper) != 0 ||
      !CBS_get_asn1(&bytes, &type, CBS_ASN1_OBJECT) ||
      !CBS_mem_equal(&type, kBasic, sizeof(kBasic)) ||
      !CBS_get_asn1(&bytes, &octets, CBS_ASN1_OCTETSTRING) || CBS_len(&bytes) != 0 ||
      !ReadBasic(octets, basic)) {
    return Malformed();
  }
  return absl::OkStatus();
}

// Extensions that are critical would change what is meant; none is known here.
bool HasNoCriticalOnes(CBS wrapper) {
  CBS list;
  if (!CBS_get_asn1(&wrapper, &list, CBS_ASN1_SEQUENCE) || CBS_len(&wrapper) != 0) return false;
  while (CBS_len(&list) > 0) {
    CBS extension;
    int critical = 0;
    if (!CBS_get_asn1(&list, &extension, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&extension, nullptr, CBS_ASN1_OBJECT) ||
        !CBS_get_optional_asn1_bool(&extension, &critical, CBS_ASN1_BOOLEAN, 0) || critical != 0) {
      return false;
    }
  }
  return true;
}

bool ReadStatus(CBS* from, OcspStatement& statement) {
  CBS content;
  if (CBS_peek_asn1_tag(from, kContext | 0)) {
    statement.status = CertificateStatus::kGood;
    return CBS_get_asn1(from, &content, kContext | 0) && CBS_len(&content) == 0;
  }
  if (CBS_peek_asn1_tag(from, kContext | 2)) {
    statement.status = CertificateStatus::kUnknown;
    return CBS_get_asn1(from, &content, kContext | 2) && CBS_len(&content) == 0;
  }
  statement.status = CertificateStatus::kRevoked;
  // Why it was revoked comes after when, and makes no difference here.
  return CBS_get_asn1(from, &content, kExplicit | 1) &&
         ReadGeneralizedTime(&content, statement.revoked_at);
}

bool ReadSingle(CBS* list, OcspCertificateId& id, OcspStatement& statement) {
  CBS one;
  CBS next;
  CBS extensions;
  int has_next = 0;
  int has_extensions = 0;
  if (!CBS_get_asn1(list, &one, CBS_ASN1_SEQUENCE) || !ReadOcspId(&one, id) ||
      !ReadStatus(&one, statement) || !ReadGeneralizedTime(&one, statement.this_update) ||
      !CBS_get_optional_asn1(&one, &next, &has_next, kExplicit | 0) ||
      !CBS_get_optional_asn1(&one, &extensions, &has_extensions, kExplicit | 1) ||
      CBS_len(&one) != 0) {
    return false;
  }
  if (has_next != 0 &&
      (!ReadGeneralizedTime(&next, statement.next_update) || CBS_len(&next) != 0)) {
    return false;
  }
  return has_extensions == 0 || HasNoCriticalOnes(extensions);
}

struct IssuerName {
  std::string der;
  bssl::UniquePtr<EVP_PKEY> key;
};

absl::StatusOr<IssuerName> NameOf(const X509& issuer) {
  uint8_t* name = nullptr;
  const int size = i2d_X509_NAME(X509_get_subject_name(&issuer), &name);
  const bssl::UniquePtr<uint8_t> owned(size > 0 ? name : nullptr);
  IssuerName made;
  // It fills a cache inside the certificate, under its lock; hence not const for it.
  made.key.reset(X509_get_pubkey(const_cast<X509*>(&issuer)));
  if (size <= 0 || made.key == nullptr) return CryptoError("read an issuer's name and key");
  made.der.assign(reinterpret_cast<char*>(name), static_cast<size_t>(size));
  return made;
}

// ResponseData ::= SEQUENCE { [0] version, responderID, producedAt, responses, [1] extensions }
absl::StatusOr<OcspStatement> FindStatement(CBS element, const X509& certificate,
                                            const IssuerName& issuer) {
  CBS data;
  CBS list;
  CBS extensions;
  CBS any;
  unsigned tag = 0;
  absl::Time produced;
  int has_extensions = 0;
  // Who signed it is told by the signature, not by what it says of itself.
  if (!CBS_get_asn1(&element, &data, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(&data, nullptr, nullptr, kExplicit | 0) ||
      !CBS_get_any_asn1(&data, &any, &tag) || (tag != (kExplicit | 1) && tag != (kExplicit | 2)) ||
      !ReadGeneralizedTime(&data, produced) || !CBS_get_asn1(&data, &list, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(&data, &extensions, &has_extensions, kExplicit | 1) ||
      CBS_len(&data) != 0 || (has_extensions != 0 && !HasNoCriticalOnes(extensions))) {
    return Malformed();
  }
  const std::string serial = SerialHex(&certificate);
  for (size_t i = 0; CBS_len(&list) > 0; ++i) {
    OcspCertificateId id;
    OcspStatement statement;
    if (i == kMaxStatements || !ReadSingle(&list, id, statement)) return Malformed();
    if (id.serial == serial && IsOfIssuer(id, issuer.der, issuer.key.get())) return statement;
  }
  return absl::NotFoundError("the OCSP response does not speak of the certificate");
}

bool IsSignedBy(const Basic& basic, EVP_PKEY* key) {
  int digest = NID_undef;
  int kind = NID_undef;
  if (OBJ_find_sigid_algs(basic.algorithm, &digest, &kind) == 0 || kind != EVP_PKEY_id(key)) {
    return false;
  }
  const bool strong = digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
  if (!strong && kind != EVP_PKEY_ED25519) return false;
  bssl::ScopedEVP_MD_CTX context;
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, strong ? EVP_get_digestbynid(digest) : nullptr,
                           nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), CBS_data(&basic.signature), CBS_len(&basic.signature),
                       CBS_data(&basic.data), CBS_len(&basic.data)) == 1;
  ERR_clear_error();
  return good;
}

// RFC 6960 §4.2.2.2: issued by the very issuer of the certificate that is asked about, for this.
bool MaySpeakFor(X509* responder, const X509& issuer, EVP_PKEY* issuer_key, absl::Time now) {
  const uint32_t flags = X509_get_extension_flags(responder);
  int digest = NID_undef;
  const bool good =
      (flags & EXFLAG_INVALID) == 0 && (flags & EXFLAG_XKUSAGE) != 0 &&
      (X509_get_extended_key_usage(responder) & XKU_OCSP_SIGN) != 0 &&
      ((flags & EXFLAG_KUSAGE) == 0 ||
       (X509_get_key_usage(responder) & X509v3_KU_DIGITAL_SIGNATURE) != 0) &&
      NotBefore(responder) <= now + kSkew && now < NotAfter(responder) &&
      X509_NAME_cmp(X509_get_issuer_name(responder), X509_get_subject_name(&issuer)) == 0 &&
      OBJ_find_sigid_algs(X509_get_signature_nid(responder), &digest, nullptr) != 0 &&
      digest != NID_sha1 && digest != NID_md5 && X509_verify(responder, issuer_key) == 1;
  ERR_clear_error();
  return good;
}

bool IsSignedForIssuer(Basic basic, const X509& issuer, EVP_PKEY* issuer_key, absl::Time now) {
  if (IsSignedBy(basic, issuer_key)) return true;
  for (size_t i = 0; i < kMaxResponders && CBS_len(&basic.certificates) > 0; ++i) {
    CBS element;
    if (!CBS_get_asn1_element(&basic.certificates, &element, CBS_ASN1_SEQUENCE)) return false;
    const uint8_t* at = CBS_data(&element);
    const bssl::UniquePtr<X509> responder(
        d2i_X509(nullptr, &at, static_cast<long>(CBS_len(&element))));  // NOLINT: its type.
    ERR_clear_error();
    if (responder == nullptr || !MaySpeakFor(responder.get(), issuer, issuer_key, now)) continue;
    const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(responder.get()));
    if (key != nullptr && AcceptedKeyType(key.get()).ok() && IsSignedBy(basic, key.get())) {
      return true;
    }
  }
  ERR_clear_error();
  return false;
}

}  // namespace

std::string OcspUrlOf(const X509& certificate) {
  const std::unique_ptr<AUTHORITY_INFO_ACCESS, decltype(&AUTHORITY_INFO_ACCESS_free)> access(
      static_cast<AUTHORITY_INFO_ACCESS*>(
          X509_get_ext_d2i(&certificate, NID_info_access, nullptr, nullptr)),
      &AUTHORITY_INFO_ACCESS_free);
  ERR_clear_error();
  const size_t count = access == nullptr ? 0 : sk_ACCESS_DESCRIPTION_num(access.get());
  for (size_t i = 0; i < count; ++i) {
    const ACCESS_DESCRIPTION* each = sk_ACCESS_DESCRIPTION_value(access.get(), i);
    if (OBJ_obj2nid(each->method) != NID_ad_OCSP || each->location->type != GEN_URI) continue;
    const ASN1_STRING* uri = each->location->d.uniformResourceIdentifier;
    const absl::string_view url(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                static_cast<size_t>(ASN1_STRING_length(uri)));
    const bool printable = std::all_of(url.begin(), url.end(), [](char c) {
      return absl::ascii_isgraph(static_cast<unsigned char>(c));
    });
    if (printable && url.size() <= kMaxUrl && absl::StartsWithIgnoreCase(url, "http://")) {
      return std::string(url);
    }
  }
  return "";
}

absl::StatusOr<std::string> MakeOcspRequest(const X509& certificate, const X509& issuer) {
  KITH_ASSIGN_OR_RETURN(const IssuerName name, NameOf(issuer));
  bssl::ScopedCBB out;
  CBB whole;
  CBB request;
  CBB list;
  CBB one;
  if (!CBB_init(out.get(), 128) || !CBB_add_asn1(out.get(), &whole, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&whole, &request, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&request, &list, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&list, &one, CBS_ASN1_SEQUENCE) ||
      !AddOcspId(&one, name.der, name.key.get(), SerialHex(&certificate))) {
    return CryptoError("encode an OCSP request");
  }
  return Finish(out.get(), "encode an OCSP request");
}

bool OcspStatement::IsInForce(absl::Time now) const {
  return this_update <= now + kSkew && now < next_update;
}

absl::StatusOr<OcspStatement> ReadOcspResponse(absl::string_view response, const X509& certificate,
                                               const X509& issuer, absl::Time now) {
  Basic basic;
  KITH_RETURN_IF_ERROR(ReadOuter(response, basic));
  KITH_ASSIGN_OR_RETURN(const IssuerName name, NameOf(issuer));
  KITH_ASSIGN_OR_RETURN(const OcspStatement statement,
                        FindStatement(basic.data, certificate, name));
  if (!IsSignedForIssuer(basic, issuer, name.key.get(), now)) {
    return absl::PermissionDeniedError(
        "the OCSP response is signed neither by the certificate's issuer nor by a responder of "
        "that issuer's (extended key usage OCSPSigning), or with less than SHA-256");
  }
  return statement;
}

}  // namespace kith::x509
