#include "source/x509/crypto.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/check.h"
#include "source/base/status.h"

namespace kith::x509 {
namespace {

constexpr size_t kMaxCertificates = 64;

bssl::UniquePtr<BIO> ReadOnly(absl::string_view bytes) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string Contents(BIO* bio) {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (!BIO_mem_contents(bio, &bytes, &size)) return "";
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

absl::Time ToTime(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  // BoringSSL has parsed the field already, so a malformed one cannot be here; were it, the
  // certificate counts as never valid.
  if (!ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) return absl::InfinitePast();
  return absl::UnixEpoch() + absl::Hours(24) * days + absl::Seconds(seconds);
}

// A key file without a password needs none, and nobody is at the terminal to be asked for one.
int NoPassword(char*, int, int, void*) noexcept { return 0; }

}  // namespace

absl::Status CryptoError(absl::string_view attempted, absl::StatusCode code) {
  uint32_t error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return absl::Status(
      code, reason == nullptr ? std::string(attempted) : absl::StrCat(attempted, ": ", reason));
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> GenerateP256Key() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!ec || !key || !EC_KEY_generate_key(ec.get()) || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return CryptoError("generate a P-256 key");
  }
  return key;
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ParsePrivateKeyPem(absl::string_view pem) {
  bssl::UniquePtr<BIO> bio = ReadOnly(pem);
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (key) return key;
  if (pem.find("ENCRYPTED") != absl::string_view::npos) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the private key is encrypted; store it without a password");
  }
  return CryptoError("not a private key in PEM", absl::StatusCode::kInvalidArgument);
}

absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio ||
      !PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr)) {
    return CryptoError("encode a private key");
  }
  return Contents(bio.get());
}

absl::StatusOr<std::string> AcceptedKeyType(const EVP_PKEY* key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_ED25519:
      return "Ed25519";
    case EVP_PKEY_EC: {
      const EC_GROUP* group = EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key));
      int curve = group == nullptr ? NID_undef : EC_GROUP_get_curve_name(group);
      if (curve == NID_X9_62_prime256v1) return "P-256";
      if (curve == NID_secp384r1) return "P-384";
      if (curve == NID_secp224r1) {
        return absl::FailedPreconditionError("the key is on the curve P-224; use P-256 or P-384");
      }
      return absl::InvalidArgumentError("the key's curve is not supported; use P-256 or P-384");
    }
    case EVP_PKEY_RSA: {
      int bits = EVP_PKEY_bits(key);
      if (bits < 2048) {
        return absl::FailedPreconditionError(
            absl::StrCat("the RSA key has ", bits, " bits; use at least 2048, or P-256"));
      }
      if (bits > 4096) {
        return absl::InvalidArgumentError(
            absl::StrCat("the RSA key has ", bits, " bits; use at most 4096, or P-256"));
      }
      return absl::StrCat("RSA-", bits);
    }
    default:
      return absl::InvalidArgumentError(
          "the kind of key is not supported; use P-256, P-384, RSA or Ed25519");
  }
}

const EVP_MD* DigestFor(const EVP_PKEY* key) {
  if (EVP_PKEY_id(key) == EVP_PKEY_ED25519) return nullptr;
  if (EVP_PKEY_id(key) == EVP_PKEY_EC && EVP_PKEY_bits(key) > 256) return EVP_sha384();
  return EVP_sha256();
}

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCertificatesPem(absl::string_view pem) {
  bssl::UniquePtr<BIO> bio = ReadOnly(pem);
  std::vector<bssl::UniquePtr<X509>> certificates;
  while (true) {
    bssl::UniquePtr<X509> next(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
    if (!next) break;
    if (certificates.size() == kMaxCertificates) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", kMaxCertificates, " certificates"));
    }
    certificates.push_back(std::move(next));
  }
  uint32_t error = ERR_peek_last_error();
  bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (certificates.empty() && at_end) {
    ERR_clear_error();
    return absl::InvalidArgumentError("no certificate in PEM found");
  }
  if (!at_end) {
    return CryptoError(absl::StrCat("certificate ", certificates.size() + 1, " is malformed"),
                       absl::StatusCode::kInvalidArgument);
  }
  ERR_clear_error();
  return certificates;
}

absl::StatusOr<std::string> CertificatePem(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio || !PEM_write_bio_X509(bio.get(), certificate)) {
    return CryptoError("encode a certificate");
  }
  return Contents(bio.get());
}

std::string SerialHex(const X509* certificate) {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
  bssl::UniquePtr<BIGNUM> number(ASN1_INTEGER_to_BN(serial, nullptr));
  if (!number) return "";
  std::string bytes(BN_num_bytes(number.get()), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<uint8_t*>(bytes.data()));
  if (bytes.empty()) bytes.assign(1, '\0');
  return absl::BytesToHexString(bytes);
}

std::string SubjectText(const X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio ||
      X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0) {
    ERR_clear_error();
    return "";
  }
  return Contents(bio.get());
}

absl::Time NotBefore(const X509* certificate) { return ToTime(X509_get0_notBefore(certificate)); }

absl::Time NotAfter(const X509* certificate) { return ToTime(X509_get0_notAfter(certificate)); }

std::string PublicKeyInfo(const EVP_PKEY* key) {
  bssl::ScopedCBB out;
  uint8_t* der = nullptr;
  size_t size = 0;
  KITH_CHECK(CBB_init(out.get(), 128) && EVP_marshal_public_key(out.get(), key) &&
                 CBB_finish(out.get(), &der, &size),
             "a key that was parsed or generated can be encoded");
  const bssl::UniquePtr<uint8_t> owned(der);
  return std::string(reinterpret_cast<const char*>(der), size);
}

absl::string_view PublicKeyBits(absl::string_view info) {
  CBS whole;
  CBS fields;
  CBS bits;
  uint8_t unused = 0;
  CBS_init(&whole, reinterpret_cast<const uint8_t*>(info.data()), info.size());
  KITH_CHECK(CBS_get_asn1(&whole, &fields, CBS_ASN1_SEQUENCE) &&
                 CBS_get_asn1(&fields, nullptr, CBS_ASN1_SEQUENCE) &&
                 CBS_get_asn1(&fields, &bits, CBS_ASN1_BITSTRING) && CBS_get_u8(&bits, &unused),
             "an encoded key has its bits");
  return {reinterpret_cast<const char*>(CBS_data(&bits)), CBS_len(&bits)};
}

std::string KeyIdentifier(absl::string_view info) {
  const absl::string_view bits = PublicKeyBits(info);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(bits.data()), bits.size(), digest);
  return std::string(reinterpret_cast<char*>(digest), 20);
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  // BoringSSL's RAND_bytes aborts rather than fail.
  RAND_bytes(reinterpret_cast<uint8_t*>(bytes.data()), size);
  return bytes;
}

}  // namespace kith::x509
