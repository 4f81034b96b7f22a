#include "source/x509/der.h"

#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/timestamp.h"
#include "source/x509/crypto.h"

namespace kith::x509 {
namespace {

constexpr size_t kMaxSerial = 20;  // RFC 5280 §4.1.2.2.

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

bool AddText(CBB* out, unsigned tag, absl::string_view text) {
  CBB child;
  return CBB_add_asn1(out, &child, tag) && CBB_add_bytes(&child, Bytes(text), text.size()) &&
         CBB_flush(out);
}

}  // namespace

bool AddTime(CBB* out, absl::Time time) {
  const std::string digits = base::DigitsOf(time);
  if (digits.empty() || digits >= "2050") return AddGeneralizedTime(out, time);
  return AddText(out, CBS_ASN1_UTCTIME, absl::StrCat(digits.substr(2), "Z"));
}

bool AddGeneralizedTime(CBB* out, absl::Time time) {
  const std::string digits = base::DigitsOf(time);
  return !digits.empty() && AddText(out, CBS_ASN1_GENERALIZEDTIME, absl::StrCat(digits, "Z"));
}

bool ReadGeneralizedTime(CBS* from, absl::Time& time) {
  CBS content;
  if (!CBS_get_asn1(from, &content, CBS_ASN1_GENERALIZEDTIME)) return false;
  const absl::string_view text(reinterpret_cast<const char*>(CBS_data(&content)),
                               CBS_len(&content));
  constexpr size_t kDigits = 14;
  if (text.size() != kDigits + 1 || text.back() != 'Z' ||
      !std::all_of(text.begin(), text.end() - 1,
                   [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); })) {
    return false;
  }
  std::string error;
  return absl::ParseTime("%E4Y%m%d%H%M%SZ", text, absl::UTCTimeZone(), &time, &error);
}

bool AddInteger(CBB* out, absl::string_view big_endian) {
  while (big_endian.size() > 1 && big_endian[0] == '\0') big_endian.remove_prefix(1);
  CBB child;
  if (!CBB_add_asn1(out, &child, CBS_ASN1_INTEGER)) return false;
  // A leading one bit would make it negative.
  const bool pad = big_endian.empty() || (static_cast<uint8_t>(big_endian[0]) & 0x80) != 0;
  return (!pad || CBB_add_u8(&child, 0)) &&
         CBB_add_bytes(&child, Bytes(big_endian), big_endian.size()) && CBB_flush(out);
}

bool AddSerial(CBB* out, absl::string_view hex) {
  return AddInteger(out, absl::HexStringToBytes(hex));
}

std::string SerialFromInteger(const CBS& content) {
  absl::string_view bytes(reinterpret_cast<const char*>(CBS_data(&content)), CBS_len(&content));
  if (bytes.empty() || (static_cast<uint8_t>(bytes[0]) & 0x80) != 0) return "";
  while (bytes.size() > 1 && bytes[0] == '\0') bytes.remove_prefix(1);
  return bytes.size() > kMaxSerial ? "" : absl::BytesToHexString(bytes);
}

bool AddExtension(CBB* extensions, int nid, absl::string_view value, Critical critical) {
  CBB extension;
  return CBB_add_asn1(extensions, &extension, CBS_ASN1_SEQUENCE) && OBJ_nid2cbb(&extension, nid) &&
         (critical == Critical::kNo || CBB_add_asn1_bool(&extension, 1)) &&
         CBB_add_asn1_octet_string(&extension, Bytes(value), value.size()) && CBB_flush(extensions);
}

bool AddSignatureAlgorithm(CBB* out, EVP_PKEY* key) {
  int nid = NID_undef;
  const EVP_MD* digest = DigestFor(key);
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_ED25519:
      nid = NID_ED25519;
      break;
    case EVP_PKEY_EC:
      nid = digest == EVP_sha384() ? NID_ecdsa_with_SHA384 : NID_ecdsa_with_SHA256;
      break;
    case EVP_PKEY_RSA:
      nid = NID_sha256WithRSAEncryption;
      break;
    default:
      return false;
  }
  CBB algorithm;
  CBB null;
  return CBB_add_asn1(out, &algorithm, CBS_ASN1_SEQUENCE) && OBJ_nid2cbb(&algorithm, nid) &&
         // RFC 4055 asks for the NULL with RSA; the others must not have it.
         (nid != NID_sha256WithRSAEncryption || CBB_add_asn1(&algorithm, &null, CBS_ASN1_NULL)) &&
         CBB_flush(out);
}

bool AddSigned(CBB* sequence, absl::string_view tbs, EVP_PKEY* key) {
  bssl::ScopedEVP_MD_CTX context;
  size_t size = 0;
  if (!EVP_DigestSignInit(context.get(), nullptr, DigestFor(key), nullptr, key) ||
      !EVP_DigestSign(context.get(), nullptr, &size, Bytes(tbs), tbs.size())) {
    return false;
  }
  std::vector<uint8_t> signature(size);
  if (!EVP_DigestSign(context.get(), signature.data(), &size, Bytes(tbs), tbs.size())) {
    return false;
  }
  CBB bits;
  return CBB_add_bytes(sequence, Bytes(tbs), tbs.size()) && AddSignatureAlgorithm(sequence, key) &&
         CBB_add_asn1(sequence, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
         CBB_add_bytes(&bits, signature.data(), size) && CBB_flush(sequence);
}

absl::StatusOr<std::string> Finish(CBB* cbb, absl::string_view attempted) {
  uint8_t* bytes = nullptr;
  size_t size = 0;
  if (!CBB_finish(cbb, &bytes, &size)) return CryptoError(attempted);
  bssl::UniquePtr<uint8_t> owned(bytes);
  return std::string(reinterpret_cast<char*>(bytes), size);
}

}  // namespace kith::x509
