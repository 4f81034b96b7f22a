#include "test/support/temporary_ca.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::test {
namespace {

void Must(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "temporary_ca: %s failed\n", what);
  std::abort();
}

bssl::UniquePtr<EVP_PKEY> Generate(KeyType type) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (type == KeyType::kEd25519) {
    bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
    EVP_PKEY* made = nullptr;
    Must(EVP_PKEY_keygen_init(context.get()) && EVP_PKEY_keygen(context.get(), &made), "Ed25519");
    return bssl::UniquePtr<EVP_PKEY>(made);
  }
  if (type == KeyType::kRsa1024 || type == KeyType::kRsa2048) {
    bssl::UniquePtr<RSA> rsa(RSA_new());
    bssl::UniquePtr<BIGNUM> exponent(BN_new());
    Must(BN_set_word(exponent.get(), RSA_F4) &&
             RSA_generate_key_ex(rsa.get(), type == KeyType::kRsa1024 ? 1024 : 2048, exponent.get(),
                                 nullptr) &&
             EVP_PKEY_set1_RSA(key.get(), rsa.get()),
         "RSA");
    return key;
  }
  int curve = type == KeyType::kP256   ? NID_X9_62_prime256v1
              : type == KeyType::kP384 ? NID_secp384r1
                                       : NID_secp224r1;
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  Must(EC_KEY_generate_key(ec.get()) && EVP_PKEY_set1_EC_KEY(key.get(), ec.get()), "EC");
  return key;
}

std::string Text(BIO* bio) {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  Must(BIO_mem_contents(bio, &bytes, &size), "BIO_mem_contents");
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

std::string KeyPem(EVP_PKEY* key) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  Must(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr),
       "writing a key");
  return Text(bio.get());
}

bssl::UniquePtr<EVP_PKEY> ParseKey(const std::string& pem) {
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  Must(key != nullptr, "reading a key");
  return key;
}

bssl::UniquePtr<EVP_PKEY> KeyOfRequest(const std::string& pem) {
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<X509_REQ> request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  Must(request != nullptr, "a request to certify");
  bssl::UniquePtr<EVP_PKEY> key(X509_REQ_get_pubkey(request.get()));
  Must(key != nullptr, "a request's key");
  return key;
}

bssl::UniquePtr<EVP_PKEY> KeyFor(const std::string& pem, KeyType type) {
  return pem.empty() ? Generate(type) : ParseKey(pem);
}

bssl::UniquePtr<X509> ParseCertificate(const std::string& pem) {
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  Must(certificate != nullptr, "reading a certificate");
  return certificate;
}

const EVP_MD* Digest(EVP_PKEY* key) {
  return EVP_PKEY_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
}

std::string Finish(CBB* cbb) {
  uint8_t* bytes = nullptr;
  size_t size = 0;
  Must(CBB_finish(cbb, &bytes, &size), "CBB_finish");
  std::string out(reinterpret_cast<char*>(bytes), size);
  OPENSSL_free(bytes);
  return out;
}

bssl::UniquePtr<X509_EXTENSION> Extension(int nid, bool critical, const std::string& der) {
  bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  Must(ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const uint8_t*>(der.data()),
                             static_cast<int>(der.size())),
       "extension");
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_NID(nullptr, nid, critical ? 1 : 0, value.get()));
  Must(extension != nullptr, "extension");
  return extension;
}

struct Names {
  const std::vector<std::string>* values;
  unsigned tag;  // Of GeneralName, RFC 5280 §4.2.1.6.
};

std::string SubjectAltName(std::initializer_list<Names> names) {
  bssl::ScopedCBB cbb;
  CBB sequence;
  Must(CBB_init(cbb.get(), 64) && CBB_add_asn1(cbb.get(), &sequence, CBS_ASN1_SEQUENCE), "SAN");
  for (const Names& kind : names) {
    for (const std::string& value : *kind.values) {
      CBB name;
      Must(CBB_add_asn1(&sequence, &name, CBS_ASN1_CONTEXT_SPECIFIC | kind.tag) &&
               CBB_add_bytes(&name, reinterpret_cast<const uint8_t*>(value.data()), value.size()) &&
               CBB_flush(&sequence),
           "SAN");
    }
  }
  return Finish(cbb.get());
}

std::string BasicConstraints(bool ca, std::optional<int> path_length) {
  bssl::ScopedCBB cbb;
  CBB sequence;
  Must(CBB_init(cbb.get(), 16) && CBB_add_asn1(cbb.get(), &sequence, CBS_ASN1_SEQUENCE), "BC");
  if (ca) Must(CBB_add_asn1_bool(&sequence, 1), "BC");
  if (path_length) Must(CBB_add_asn1_uint64(&sequence, *path_length), "BC");
  return Finish(cbb.get());
}

std::string KeyUsageBits(const std::vector<KeyUsage>& usages) {
  uint8_t bits = 0;
  int last = 0;
  for (KeyUsage usage : usages) {
    int bit = static_cast<int>(usage);
    bits |= static_cast<uint8_t>(0x80 >> bit);
    if (bit > last) last = bit;
  }
  bssl::ScopedCBB cbb;
  CBB string;
  Must(CBB_init(cbb.get(), 8) && CBB_add_asn1(cbb.get(), &string, CBS_ASN1_BITSTRING) &&
           CBB_add_u8(&string, static_cast<uint8_t>(7 - last)) && CBB_add_u8(&string, bits),
       "key usage");
  return Finish(cbb.get());
}

std::string ExtendedKeyUsages(const std::vector<ExtendedKeyUsage>& usages) {
  bssl::ScopedCBB cbb;
  CBB sequence;
  Must(CBB_init(cbb.get(), 32) && CBB_add_asn1(cbb.get(), &sequence, CBS_ASN1_SEQUENCE), "EKU");
  for (ExtendedKeyUsage usage : usages) {
    int nid = usage == ExtendedKeyUsage::kServerAuth   ? NID_server_auth
              : usage == ExtendedKeyUsage::kClientAuth ? NID_client_auth
                                                       : NID_code_sign;
    Must(OBJ_nid2cbb(&sequence, nid), "EKU");
  }
  return Finish(cbb.get());
}

std::string KeyId(EVP_PKEY* key) {
  bssl::ScopedCBB cbb;
  Must(CBB_init(cbb.get(), 256) && EVP_marshal_public_key(cbb.get(), key), "public key");
  std::string spki = Finish(cbb.get());
  uint8_t digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const uint8_t*>(spki.data()), spki.size(), digest);
  return std::string(reinterpret_cast<char*>(digest), sizeof(digest));
}

std::string SubjectKeyId(EVP_PKEY* key) {
  std::string id = KeyId(key);
  bssl::ScopedCBB cbb;
  Must(CBB_init(cbb.get(), 32) &&
           CBB_add_asn1_octet_string(cbb.get(), reinterpret_cast<const uint8_t*>(id.data()),
                                     id.size()),
       "SKI");
  return Finish(cbb.get());
}

std::string AuthorityKeyId(EVP_PKEY* key) {
  std::string id = KeyId(key);
  bssl::ScopedCBB cbb;
  CBB sequence, value;
  Must(CBB_init(cbb.get(), 32) && CBB_add_asn1(cbb.get(), &sequence, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&sequence, &value, CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
           CBB_add_bytes(&value, reinterpret_cast<const uint8_t*>(id.data()), id.size()),
       "AKI");
  return Finish(cbb.get());
}

void AddExtension(X509* certificate, int nid, bool critical, const std::string& der) {
  Must(X509_add_ext(certificate, Extension(nid, critical, der).get(), -1), "adding an extension");
}

void SetTime(ASN1_TIME* field, absl::Time time) {
  Must(ASN1_TIME_set(field, absl::ToTimeT(time)) != nullptr, "time");
}

bssl::UniquePtr<X509_NAME> Name(const std::string& common_name) {
  bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  if (!common_name.empty()) {
    Must(X509_NAME_add_entry_by_txt(name.get(), "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const uint8_t*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0),
         "name");
  }
  return name;
}

// The signature is the last element of both a certificate and a request, so its last byte is ours.
std::string FlipLastBit(std::string der) {
  der.back() = static_cast<char>(der.back() ^ 1);
  return der;
}

std::string Pem(const char* type, const std::string& der) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  Must(PEM_write_bio(bio.get(), type, "", reinterpret_cast<const uint8_t*>(der.data()),
                     static_cast<long>(der.size())) > 0,
       "PEM");
  return Text(bio.get());
}

}  // namespace

CertificateOptions CaCertificate(absl::string_view common_name) {
  CertificateOptions options;
  options.ca = true;
  options.key_usage = {KeyUsage::kKeyCertSign, KeyUsage::kCrlSign};
  options.extended_key_usage = {};
  options.common_name = std::string(common_name);
  return options;
}

TemporaryCa::TemporaryCa() : TemporaryCa(Options()) {}

TemporaryCa::TemporaryCa(Options options) : options_(std::move(options)) {
  CertificateOptions root = CaCertificate(absl::StrCat(options_.name, " root"));
  root.not_after = options_.now + absl::Hours(24 * 3650);
  root.key_type = options_.key_type;
  root_ = Make(root, nullptr);
  root_.chain_pem.clear();  // A root is never part of a chain that is sent.
  issuer_ = root_;
  if (options_.intermediate) {
    CertificateOptions intermediate = CaCertificate(absl::StrCat(options_.name, " intermediate"));
    intermediate.not_after = options_.now + absl::Hours(24 * 365);
    intermediate.key_type = options_.key_type;
    issuer_ = Make(intermediate, &root_);
  }
}

Credential TemporaryCa::Leaf(const CertificateOptions& options) const {
  return Make(options, &issuer_);
}

Credential TemporaryCa::Leaf(absl::string_view spiffe_id) const {
  CertificateOptions options;
  options.uri_sans = {std::string(spiffe_id)};
  return Leaf(options);
}

Credential TemporaryCa::SignedBy(const Credential& issuer,
                                 const CertificateOptions& options) const {
  return Make(options, &issuer);
}

Credential TemporaryCa::SelfSigned(const CertificateOptions& options) const {
  return Make(options, nullptr);
}

Credential TemporaryCa::Make(const CertificateOptions& options, const Credential* issuer) const {
  bssl::UniquePtr<EVP_PKEY> key = options.request_pem.empty()
                                      ? KeyFor(options.key_pem, options.key_type)
                                      : KeyOfRequest(options.request_pem);
  bssl::UniquePtr<EVP_PKEY> issuer_key = issuer ? ParseKey(issuer->key_pem) : bssl::UpRef(key);
  bssl::UniquePtr<X509> certificate(X509_new());
  bssl::UniquePtr<X509_NAME> subject = Name(options.common_name);

  Must(X509_set_version(certificate.get(), X509_VERSION_3), "version");
  std::string serial = options.serial;
  if (serial.empty()) {
    serial.resize(16);
    Must(RAND_bytes(reinterpret_cast<uint8_t*>(serial.data()), serial.size()), "random");
    serial[0] = static_cast<char>((serial[0] & 0x7f) | 0x40);
  }
  bssl::UniquePtr<BIGNUM> number(
      BN_bin2bn(reinterpret_cast<const uint8_t*>(serial.data()), serial.size(), nullptr));
  Must(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr,
       "serial");
  SetTime(X509_getm_notBefore(certificate.get()),
          options.not_before.value_or(options_.now - absl::Hours(1)));
  SetTime(X509_getm_notAfter(certificate.get()),
          options.not_after.value_or(options_.now + absl::Hours(24)));
  Must(X509_set_subject_name(certificate.get(), subject.get()), "subject");
  if (issuer != nullptr) {
    Must(X509_set_issuer_name(
             certificate.get(),
             X509_get_subject_name(ParseCertificate(issuer->certificate_pem).get())),
         "issuer");
  } else {
    Must(X509_set_issuer_name(certificate.get(), subject.get()), "issuer");
  }
  Must(X509_set_pubkey(certificate.get(), key.get()), "public key");

  if (options.basic_constraints) {
    AddExtension(certificate.get(), NID_basic_constraints, true,
                 BasicConstraints(options.ca, options.path_length));
  }
  if (!options.key_usage.empty()) {
    AddExtension(certificate.get(), NID_key_usage, options.key_usage_critical,
                 KeyUsageBits(options.key_usage));
  }
  if (!options.extended_key_usage.empty()) {
    AddExtension(certificate.get(), NID_ext_key_usage, false,
                 ExtendedKeyUsages(options.extended_key_usage));
  }
  if (!options.uri_sans.empty() || !options.dns_sans.empty() || !options.email_sans.empty() ||
      !options.ip_sans.empty()) {
    AddExtension(certificate.get(), NID_subject_alt_name,
                 options.san_critical.value_or(options.common_name.empty()),
                 SubjectAltName({{&options.email_sans, 1},
                                 {&options.dns_sans, 2},
                                 {&options.uri_sans, 6},
                                 {&options.ip_sans, 7}}));
  }
  AddExtension(certificate.get(), NID_subject_key_identifier, false, SubjectKeyId(key.get()));
  AddExtension(certificate.get(), NID_authority_key_identifier, false,
               AuthorityKeyId(issuer_key.get()));
  if (options.unknown_critical_extension) {
    // Any NID that no verifier treats as an extension will do; the value is an empty SEQUENCE.
    AddExtension(certificate.get(), NID_pkcs9_challengePassword, true, std::string("\x30\x00", 2));
  }
  Must(X509_sign(certificate.get(), issuer_key.get(), Digest(issuer_key.get())), "signing");

  uint8_t* bytes = nullptr;
  int size = i2d_X509(certificate.get(), &bytes);
  Must(size > 0, "encoding");
  Credential made;
  made.certificate_der.assign(reinterpret_cast<char*>(bytes), size);
  OPENSSL_free(bytes);
  if (options.corrupt_signature) made.certificate_der = FlipLastBit(made.certificate_der);
  made.certificate_pem = Pem("CERTIFICATE", made.certificate_der);
  made.chain_pem = absl::StrCat(made.certificate_pem, issuer ? issuer->chain_pem : "");
  if (options.request_pem.empty()) made.key_pem = KeyPem(key.get());
  return made;
}

std::string MakeKeyPem(KeyType type) { return KeyPem(Generate(type).get()); }

std::string MakeRequestPem(const RequestOptions& options) {
  bssl::UniquePtr<EVP_PKEY> key = KeyFor(options.key_pem, options.key_type);
  bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  if (!options.uri_sans.empty() || !options.dns_sans.empty()) {
    Must(bssl::PushToStack(
             extensions.get(),
             Extension(NID_subject_alt_name, options.common_name.empty(),
                       SubjectAltName({{&options.dns_sans, 2}, {&options.uri_sans, 6}}))),
         "request extension");
  }
  if (options.ask_for_ca) {
    Must(bssl::PushToStack(extensions.get(), Extension(NID_basic_constraints, true,
                                                       BasicConstraints(true, std::nullopt))) &&
             bssl::PushToStack(extensions.get(), Extension(NID_key_usage, true,
                                                           KeyUsageBits({KeyUsage::kKeyCertSign}))),
         "request extension");
  }
  Must(X509_REQ_set_version(request.get(), 0) &&
           X509_REQ_set_subject_name(request.get(), Name(options.common_name).get()) &&
           X509_REQ_set_pubkey(request.get(), key.get()),
       "request");
  if (sk_X509_EXTENSION_num(extensions.get()) > 0) {
    Must(X509_REQ_add_extensions(request.get(), extensions.get()), "request extensions");
  }
  Must(X509_REQ_sign(request.get(), key.get(), Digest(key.get())), "signing a request");
  uint8_t* bytes = nullptr;
  int size = i2d_X509_REQ(request.get(), &bytes);
  Must(size > 0, "encoding a request");
  std::string der(reinterpret_cast<char*>(bytes), size);
  OPENSSL_free(bytes);
  return Pem("CERTIFICATE REQUEST", options.corrupt_signature ? FlipLastBit(der) : der);
}

}  // namespace kith::test
