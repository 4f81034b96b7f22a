#include "source/controlplane/ca/signing_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"
#include "source/controlplane/ca/refusal.h"
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
