#include "source/x509/ocsp_id.h"

#include <openssl/digest.h>
#include <openssl/nid.h>
#include <openssl/obj.h>

#include "source/x509/crypto.h"
#include "source/x509/der.h"

namespace kith::x509 {
namespace {

std::string Text(const CBS& bytes) {
  return std::string(reinterpret_cast<const char*>(CBS_data(&bytes)), CBS_len(&bytes));
}

std::string Digest(const EVP_MD* digest, absl::string_view bytes) {
  uint8_t out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!EVP_Digest(bytes.data(), bytes.size(), out, &size, digest, nullptr)) return "";
  return std::string(reinterpret_cast<char*>(out), size);
}

bool AddOctets(CBB* out, const std::string& bytes) {
  return CBB_add_asn1_octet_string(out, reinterpret_cast<const uint8_t*>(bytes.data()),
                                   bytes.size());
}

}  // namespace

// CertID ::= SEQUENCE { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber }
bool ReadOcspId(CBS* from, OcspCertificateId& id) {
  CBS whole;
  CBS content;
  CBS algorithm;
  CBS oid;
  CBS name;
  CBS key;
  CBS serial;
  if (!CBS_get_asn1_element(from, &whole, CBS_ASN1_SEQUENCE)) return false;
  id.der = Text(whole);
  if (!CBS_get_asn1(&whole, &content, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&content, &algorithm, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&algorithm, &oid, CBS_ASN1_OBJECT) ||
      !CBS_get_asn1(&content, &name, CBS_ASN1_OCTETSTRING) ||
      !CBS_get_asn1(&content, &key, CBS_ASN1_OCTETSTRING) ||
      !CBS_get_asn1(&content, &serial, CBS_ASN1_INTEGER) || CBS_len(&content) != 0) {
    return false;
  }
  id.digest = OBJ_cbs2nid(&oid);
  id.name_hash = Text(name);
  id.key_hash = Text(key);
  id.serial = SerialFromInteger(serial);
  return true;
}

bool AddOcspId(CBB* out, absl::string_view issuer_name_der, EVP_PKEY* issuer_key,
               absl::string_view serial_hex) {
  CBB id;
  CBB algorithm;
  CBB null;
  return CBB_add_asn1(out, &id, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&id, &algorithm, CBS_ASN1_SEQUENCE) && OBJ_nid2cbb(&algorithm, NID_sha1) &&
         CBB_add_asn1(&algorithm, &null, CBS_ASN1_NULL) &&
         AddOctets(&id, Digest(EVP_sha1(), issuer_name_der)) &&
         AddOctets(&id, Digest(EVP_sha1(), PublicKeyBits(PublicKeyInfo(issuer_key)))) &&
         AddSerial(&id, serial_hex) && CBB_flush(out);
}

bool IsOfIssuer(const OcspCertificateId& id, absl::string_view issuer_name_der,
                EVP_PKEY* issuer_key) {
  const EVP_MD* digest = nullptr;
  if (id.digest == NID_sha1) digest = EVP_sha1();
  if (id.digest == NID_sha256) digest = EVP_sha256();
  return digest != nullptr && Digest(digest, issuer_name_der) == id.name_hash &&
         Digest(digest, PublicKeyBits(PublicKeyInfo(issuer_key))) == id.key_hash;
}

}  // namespace kith::x509
