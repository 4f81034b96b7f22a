#include "source/controlplane/ca/signing_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "source/controlplane/ca/refusal.h"
#include "source/x509/crypto.h"
#include "source/x509/der.h"
#include "source/x509/key_type.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using test::KeyType;
using test::MakeRequestPem;
using ::testing::HasSubstr;

std::string ToDer(const std::string& pem) {
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<X509_REQ> request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  uint8_t* bytes = nullptr;
  int size = i2d_X509_REQ(request.get(), &bytes);
  std::string der(reinterpret_cast<char*>(bytes), size);
  OPENSSL_free(bytes);
  return der;
}

Refusal RefusalFor(absl::string_view request) {
  absl::Status status = ParseSigningRequest(request).status();
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
  return RefusalOf(status);
}

TEST(SigningRequestTest, TakesTheKeysThatMayBeCertified) {
  struct {
    KeyType type;
    const char* name;
  } cases[] = {{KeyType::kP256, "P-256"},
               {KeyType::kP384, "P-384"},
               {KeyType::kRsa2048, "RSA-2048"},
               {KeyType::kEd25519, "Ed25519"}};
  for (const auto& one : cases) {
    auto request = ParseSigningRequest(MakeRequestPem({.key_type = one.type}));
    ASSERT_TRUE(request.ok()) << one.name << ": " << request.status();
    EXPECT_EQ(request->key_type, one.name);
  }
}

TEST(SigningRequestTest, RefusesWeakKeysByName) {
  EXPECT_EQ(RefusalFor(MakeRequestPem({.key_type = KeyType::kRsa1024})), Refusal::kRequestKey);
  EXPECT_EQ(RefusalFor(MakeRequestPem({.key_type = KeyType::kP224})), Refusal::kRequestKey);
  EXPECT_THAT(
      ParseSigningRequest(MakeRequestPem({.key_type = KeyType::kRsa1024})).status().message(),
      HasSubstr("1024 bits"));
}

TEST(SigningRequestTest, ReadsDerAsWellAsPem) {
  EXPECT_TRUE(ParseSigningRequest(ToDer(MakeRequestPem({}))).ok());
}

TEST(SigningRequestTest, ReadsTheLabelOfMicrosoftsTools) {
  const std::string pem = absl::StrReplaceAll(
      MakeRequestPem({}), {{"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}, {"\n", "\r\n"}});
  EXPECT_TRUE(ParseSigningRequest(absl::StrCat("subject=anything\r\n", pem)).ok());
}

TEST(SigningRequestTest, GivesTheKeyAsBoringSslWritesIt) {
  for (const KeyType type :
       {KeyType::kP256, KeyType::kP384, KeyType::kRsa2048, KeyType::kEd25519}) {
    const auto request = ParseSigningRequest(MakeRequestPem({.key_type = type}));
    ASSERT_TRUE(request.ok());
    EXPECT_EQ(request->public_key_info, x509::PublicKeyInfo(request->key.get()));
  }
}

enum class Padding { kOfTheKey, kPss };

// A request of `info_hex`, the CertificationRequestInfo.
std::string Signed(EVP_PKEY* key, const char* algorithm_der_hex, absl::string_view info_hex,
                   const EVP_MD* digest, Padding padding) {
  const std::string to_be_signed = absl::HexStringToBytes(info_hex);
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* parameters = nullptr;
  EXPECT_TRUE(EVP_DigestSignInit(context.get(), &parameters, digest, nullptr, key));
  if (padding == Padding::kPss) {
    EXPECT_TRUE(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING));
    EXPECT_TRUE(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, -1));
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(to_be_signed.data());
  size_t size = 0;
  EXPECT_TRUE(EVP_DigestSign(context.get(), nullptr, &size, bytes, to_be_signed.size()));
  std::vector<uint8_t> signature(size);
  EXPECT_TRUE(EVP_DigestSign(context.get(), signature.data(), &size, bytes, to_be_signed.size()));
  const std::string algorithm = absl::HexStringToBytes(algorithm_der_hex);
  bssl::ScopedCBB out;
  CBB request;
  CBB bits;
  EXPECT_TRUE(CBB_init(out.get(), 512) && CBB_add_asn1(out.get(), &request, CBS_ASN1_SEQUENCE) &&
              CBB_add_bytes(&request, bytes, to_be_signed.size()) &&
              CBB_add_bytes(&request, reinterpret_cast<const uint8_t*>(algorithm.data()),
                            algorithm.size()) &&
              CBB_add_asn1(&request, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
              CBB_add_bytes(&bits, signature.data(), size));
  return *x509::Finish(out.get(), "make a request");
}

// With an empty subject and the key as `key_info`.
std::string InfoHex(absl::string_view key_info) {
  bssl::ScopedCBB out;
  CBB info;
  CBB child;
  EXPECT_TRUE(
      CBB_init(out.get(), 512) && CBB_add_asn1(out.get(), &info, CBS_ASN1_SEQUENCE) &&
      CBB_add_asn1_uint64(&info, 0) && CBB_add_asn1(&info, &child, CBS_ASN1_SEQUENCE) &&
      CBB_add_bytes(&info, reinterpret_cast<const uint8_t*>(key_info.data()), key_info.size()));
  return absl::BytesToHexString(*x509::Finish(out.get(), "make a request"));
}

constexpr char kEcdsaSha256[] = "300a06082a8648ce3d040302";

TEST(SigningRequestTest, WritesACompressedKeyOutInFull) {
  const auto key = *x509::GenerateP256Key();
  const std::string whole = x509::PublicKeyInfo(key.get());
  const absl::string_view point = x509::PublicKeyBits(whole);
  const std::string compressed =
      absl::StrCat(absl::HexStringToBytes("3039301306072a8648ce3d020106082a8648ce3d030107032200"),
                   (point[64] & 1) != 0 ? "\x03" : "\x02", point.substr(1, 32));
  const auto request = ParseSigningRequest(
      Signed(key.get(), kEcdsaSha256, InfoHex(compressed), EVP_sha256(), Padding::kOfTheKey));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->public_key_info, whole);
}

TEST(SigningRequestTest, TakesAProofByRsaPss) {
  // RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
  constexpr char kPss[] =
      "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d0101"
      "08300d06096086480165030402010500a203020120";
  const auto key = *x509::GenerateKey(x509::KeyType::kRsa2048);
  const std::string info = InfoHex(x509::PublicKeyInfo(key.get()));
  EXPECT_TRUE(ParseSigningRequest(Signed(key.get(), kPss, info, EVP_sha256(), Padding::kPss)).ok());
  EXPECT_EQ(RefusalFor(Signed(key.get(), kPss, info, EVP_sha256(), Padding::kOfTheKey)),
            Refusal::kRequestSignature);
}

TEST(SigningRequestTest, RefusesAnAlgorithmThatIsNotTheKeys) {
  const auto key = *x509::GenerateP256Key();
  const std::string info = InfoHex(x509::PublicKeyInfo(key.get()));
  const auto with = [&](const char* algorithm) {
    return RefusalFor(Signed(key.get(), algorithm, info, EVP_sha256(), Padding::kOfTheKey));
  };
  EXPECT_EQ(with(kEcdsaSha256), Refusal::kNone);
  EXPECT_EQ(with("300c06082a8648ce3d0403020500"), Refusal::kNone) << "parameters NULL";
  EXPECT_EQ(with("300d06082a8648ce3d040302020100"), Refusal::kRequestSignature) << "a parameter";
  EXPECT_EQ(with("300a06082a8648ce3d040303"), Refusal::kRequestSignature) << "SHA-384";
  EXPECT_EQ(with("300d06092a864886f70d01010b0500"), Refusal::kRequestSignature) << "RSA";
  EXPECT_EQ(with("300506032b6570"), Refusal::kRequestSignature) << "Ed25519";
  EXPECT_EQ(with("300506032a0304"), Refusal::kRequestSignature) << "unknown";
}

TEST(SigningRequestTest, DemandsProofThatTheKeyIsHeld) {
  EXPECT_EQ(RefusalFor(MakeRequestPem({.corrupt_signature = true})), Refusal::kRequestSignature);
}

TEST(SigningRequestTest, RefusesGarbage) {
  std::string good = MakeRequestPem({});
  std::string der = ToDer(good);
  EXPECT_EQ(RefusalFor(""), Refusal::kRequestMalformed);
  EXPECT_EQ(RefusalFor("hello"), Refusal::kRequestMalformed);
  EXPECT_EQ(RefusalFor(test::MakeKeyPem()), Refusal::kRequestMalformed);
  EXPECT_EQ(RefusalFor(test::TemporaryCa().root_pem()), Refusal::kRequestMalformed);
  EXPECT_EQ(RefusalFor(good.substr(0, good.size() / 2)), Refusal::kRequestMalformed);
  EXPECT_EQ(RefusalFor(der + "x"), Refusal::kRequestMalformed);
  EXPECT_EQ(RefusalFor(std::string(x509::kMaxSigningRequest + 1, '\x30')),
            Refusal::kRequestTooLarge);
  for (size_t size = 1; size < der.size(); size++) {
    EXPECT_NE(RefusalFor(absl::string_view(der).substr(0, size)), Refusal::kNone) << size;
  }
}

TEST(SigningRequestTest, AcceptsNoSingleChangedBit) {
  std::string der = ToDer(MakeRequestPem({.uri_sans = {"spiffe://a/b"}}));
  for (size_t at = 0; at < der.size(); at++) {
    std::string changed = der;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_NE(RefusalFor(changed), Refusal::kNone) << "byte " << at;
  }
}

}  // namespace
}  // namespace kith::controlplane
