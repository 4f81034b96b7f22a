#include "source/x509/ocsp.h"

#include <openssl/bytestring.h>

#include "source/base/status.h"
#include "source/x509/crypto.h"
#include "source/x509/der.h"

namespace kith::x509 {
namespace {

constexpr unsigned kContext = CBS_ASN1_CONTEXT_SPECIFIC;
constexpr unsigned kExplicit = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;
constexpr size_t kMaxNonce = 128;  // RFC 9654 §2.1 asks for 32 and lets 128 be taken.
// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1; the nonce is …48.1.2.
constexpr uint8_t kBasic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
constexpr uint8_t kNonce[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};

absl::Status Malformed() { return absl::InvalidArgumentError("not a valid OCSP request"); }

std::string Text(const CBS& bytes) {
  return std::string(reinterpret_cast<const char*>(CBS_data(&bytes)), CBS_len(&bytes));
}

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// Extensions ::= SEQUENCE OF SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }. Those that are
// not known must be left unheeded unless they are critical.
bool ReadNonce(CBS* extensions, std::string& nonce) {
  CBS list;
  if (!CBS_get_asn1(extensions, &list, CBS_ASN1_SEQUENCE) || CBS_len(extensions) != 0) return false;
  while (CBS_len(&list) > 0) {
    CBS extension;
    CBS oid;
    CBS value;
    int critical = 0;
    if (!CBS_get_asn1(&list, &extension, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT) ||
        !CBS_get_optional_asn1_bool(&extension, &critical, CBS_ASN1_BOOLEAN, 0) ||
        !CBS_get_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) || CBS_len(&extension) != 0) {
      return false;
    }
    if (CBS_mem_equal(&oid, kNonce, sizeof(kNonce))) {
      if (CBS_len(&value) == 0 || CBS_len(&value) > kMaxNonce) return false;
      nonce = Text(value);
    } else if (critical != 0) {
      return false;
    }
  }
  return true;
}

bool ReadList(CBS* list, std::vector<OcspCertificateId>& certificates) {
  while (CBS_len(list) > 0) {
    CBS one;
    OcspCertificateId id;
    // Extensions of a single request are not known here; none is critical in practice.
    if (certificates.size() == kMaxOcspCertificates ||
        !CBS_get_asn1(list, &one, CBS_ASN1_SEQUENCE) || !ReadOcspId(&one, id)) {
      return false;
    }
    certificates.push_back(std::move(id));
  }
  return !certificates.empty();
}

bool AddStatus(CBB* response, const OcspAnswer& answer) {
  CBB status;
  if (answer.status == CertificateStatus::kGood) {
    return CBB_add_asn1(response, &status, kContext | 0) && CBB_flush(response);
  }
  if (answer.status == CertificateStatus::kUnknown) {
    return CBB_add_asn1(response, &status, kContext | 2) && CBB_flush(response);
  }
  CBB wrapper;
  CBB reason;
  return CBB_add_asn1(response, &status, kExplicit | 1) &&
         AddGeneralizedTime(&status, answer.revoked_at) &&
         (answer.reason == RevocationReason::kUnspecified ||
          (CBB_add_asn1(&status, &wrapper, kExplicit | 0) &&
           CBB_add_asn1(&wrapper, &reason, CBS_ASN1_ENUMERATED) &&
           CBB_add_u8(&reason, static_cast<uint8_t>(answer.reason)))) &&
         CBB_flush(response);
}

bool AddSingle(CBB* list, const OcspCertificateId& id, const OcspAnswer& answer,
               const OcspTimes& times) {
  CBB response;
  CBB next;
  return CBB_add_asn1(list, &response, CBS_ASN1_SEQUENCE) &&
         CBB_add_bytes(&response, Bytes(id.der), id.der.size()) && AddStatus(&response, answer) &&
         AddGeneralizedTime(&response, times.this_update) &&
         CBB_add_asn1(&response, &next, kExplicit | 0) &&
         AddGeneralizedTime(&next, times.next_update) && CBB_flush(list);
}

bool AddNonce(CBB* data, const std::string& nonce) {
  if (nonce.empty()) return true;
  CBB wrapper;
  CBB extensions;
  CBB extension;
  CBB oid;
  return CBB_add_asn1(data, &wrapper, kExplicit | 1) &&
         CBB_add_asn1(&wrapper, &extensions, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&extensions, &extension, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&extension, &oid, CBS_ASN1_OBJECT) &&
         CBB_add_bytes(&oid, kNonce, sizeof(kNonce)) &&
         CBB_add_asn1_octet_string(&extension, Bytes(nonce), nonce.size()) && CBB_flush(data);
}

// ResponseData, with the issuer's name as responder.
absl::StatusOr<std::string> ResponseData(const OcspRequest& request,
                                         const std::vector<OcspAnswer>& answers,
                                         const OcspTimes& times, const Issuer& issuer) {
  bssl::ScopedCBB out;
  CBB data;
  CBB responder;
  CBB list;
  bool good = CBB_init(out.get(), 512) && CBB_add_asn1(out.get(), &data, CBS_ASN1_SEQUENCE) &&
              CBB_add_asn1(&data, &responder, kExplicit | 1) &&
              CBB_add_bytes(&responder, Bytes(issuer.name_der), issuer.name_der.size()) &&
              AddGeneralizedTime(&data, times.produced_at) &&
              CBB_add_asn1(&data, &list, CBS_ASN1_SEQUENCE);
  for (size_t i = 0; good && i < request.certificates.size(); i++) {
    good = AddSingle(&list, request.certificates[i], answers[i], times);
  }
  if (!good || !CBB_flush(&data) || !AddNonce(&data, request.nonce)) {
    return CryptoError("encode an OCSP response");
  }
  return Finish(out.get(), "encode an OCSP response");
}

}  // namespace

absl::StatusOr<OcspRequest> ParseOcspRequest(absl::string_view der) {
  if (der.size() > kMaxOcspRequest) return Malformed();
  CBS input;
  CBS_init(&input, Bytes(der), der.size());
  CBS whole;
  CBS request;
  CBS list;
  CBS extensions;
  int has_extensions = 0;
  // The optional signature after the request proves nothing that matters here.
  if (!CBS_get_asn1(&input, &whole, CBS_ASN1_SEQUENCE) || CBS_len(&input) != 0 ||
      !CBS_get_asn1(&whole, &request, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(&request, nullptr, nullptr, kExplicit | 0) ||
      !CBS_get_optional_asn1(&request, nullptr, nullptr, kExplicit | 1) ||
      !CBS_get_asn1(&request, &list, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(&request, &extensions, &has_extensions, kExplicit | 2) ||
      CBS_len(&request) != 0) {
    return Malformed();
  }
  OcspRequest parsed;
  if (!ReadList(&list, parsed.certificates) ||
      (has_extensions != 0 && !ReadNonce(&extensions, parsed.nonce))) {
    return Malformed();
  }
  return parsed;
}

bool IsIssuerOf(const OcspCertificateId& id, const Issuer& issuer) {
  return IsOfIssuer(id, issuer.name_der, issuer.key.get());
}

absl::StatusOr<std::string> BuildOcspResponse(const OcspRequest& request,
                                              const std::vector<OcspAnswer>& answers,
                                              const OcspTimes& times, const Issuer& issuer) {
  KITH_ASSIGN_OR_RETURN(const std::string data, ResponseData(request, answers, times, issuer));
  bssl::ScopedCBB out;
  CBB response;
  CBB status;
  CBB wrapper;
  CBB bytes;
  CBB oid;
  CBB octets;
  CBB basic;
  if (!CBB_init(out.get(), data.size() + 256) ||
      !CBB_add_asn1(out.get(), &response, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&response, &status, CBS_ASN1_ENUMERATED) || !CBB_add_u8(&status, 0) ||
      !CBB_add_asn1(&response, &wrapper, kExplicit | 0) ||
      !CBB_add_asn1(&wrapper, &bytes, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&bytes, &oid, CBS_ASN1_OBJECT) ||
      !CBB_add_bytes(&oid, kBasic, sizeof(kBasic)) ||
      !CBB_add_asn1(&bytes, &octets, CBS_ASN1_OCTETSTRING) ||
      !CBB_add_asn1(&octets, &basic, CBS_ASN1_SEQUENCE) ||
      !AddSigned(&basic, data, issuer.key.get())) {
    return CryptoError("sign an OCSP response");
  }
  return Finish(out.get(), "sign an OCSP response");
}

std::string OcspErrorResponse(OcspError error) {
  return std::string({'\x30', '\x03', '\x0a', '\x01', static_cast<char>(error)});
}

}  // namespace kith::x509
