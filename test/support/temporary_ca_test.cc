// The certificates that other tests lean on must be what they claim, judged by BoringSSL's
// verifier.
#include "test/support/temporary_ca.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "test/support/temporary_directory.h"

namespace kith::test {
namespace {

std::vector<bssl::UniquePtr<X509>> Parse(const std::string& pem) {
  std::vector<bssl::UniquePtr<X509>> certificates;
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(next);
  }
  return certificates;
}

// X509_V_OK or the error, as a server sees its client's chain.
int Verify(const std::string& chain_pem, const std::string& root_pem) {
  auto chain = Parse(chain_pem);
  auto roots = Parse(root_pem);
  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  for (auto& root : roots) X509_STORE_add_cert(store.get(), root.get());
  bssl::UniquePtr<STACK_OF(X509)> extra(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); i++) {
    bssl::PushToStack(extra.get(), bssl::UpRef(chain[i]));
  }
  bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), extra.get());
  X509_STORE_CTX_set_default(context.get(), "ssl_client");
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/frontend";

TEST(TemporaryCaTest, MakesLeavesThatChainToTheRoot) {
  TemporaryCa ca;
  EXPECT_EQ(Verify(ca.Leaf(kId).chain_pem, ca.root_pem()), X509_V_OK);
  EXPECT_NE(Verify(ca.Leaf(kId).chain_pem, TemporaryCa().root_pem()), X509_V_OK);
}

TEST(TemporaryCaTest, PutsTheIntermediateIntoTheChain) {
  TemporaryCa ca({.intermediate = true});
  Credential leaf = ca.Leaf(kId);
  EXPECT_EQ(Parse(leaf.chain_pem).size(), 2u);
  EXPECT_EQ(Verify(leaf.chain_pem, ca.root_pem()), X509_V_OK);
  EXPECT_NE(Verify(leaf.certificate_pem, ca.root_pem()), X509_V_OK);
}

TEST(TemporaryCaTest, SignsWithEveryKindOfKey) {
  for (KeyType type : {KeyType::kP256, KeyType::kP384, KeyType::kP224, KeyType::kRsa1024,
                       KeyType::kRsa2048, KeyType::kEd25519}) {
    CertificateOptions options;
    options.uri_sans = {kId};
    options.key_type = type;
    TemporaryCa ca({.key_type = type});
    EXPECT_EQ(Verify(ca.Leaf(options).chain_pem, ca.root_pem()), X509_V_OK)
        << static_cast<int>(type);
  }
}

TEST(TemporaryCaTest, MakesTheBadOnesBad) {
  TemporaryCa ca;
  CertificateOptions expired{.uri_sans = {kId}};
  expired.not_after = absl::Now() - absl::Seconds(1);
  EXPECT_EQ(Verify(ca.Leaf(expired).chain_pem, ca.root_pem()), X509_V_ERR_CERT_HAS_EXPIRED);

  CertificateOptions early{.uri_sans = {kId}};
  early.not_before = absl::Now() + absl::Hours(1);
  EXPECT_EQ(Verify(ca.Leaf(early).chain_pem, ca.root_pem()), X509_V_ERR_CERT_NOT_YET_VALID);

  CertificateOptions corrupt{.uri_sans = {kId}, .corrupt_signature = true};
  EXPECT_EQ(Verify(ca.Leaf(corrupt).chain_pem, ca.root_pem()), X509_V_ERR_CERT_SIGNATURE_FAILURE);

  CertificateOptions critical{.uri_sans = {kId}, .unknown_critical_extension = true};
  EXPECT_EQ(Verify(ca.Leaf(critical).chain_pem, ca.root_pem()),
            X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION);

  CertificateOptions code{.uri_sans = {kId}};
  code.extended_key_usage = {ExtendedKeyUsage::kCodeSigning};
  EXPECT_EQ(Verify(ca.Leaf(code).chain_pem, ca.root_pem()), X509_V_ERR_INVALID_PURPOSE);

  CertificateOptions not_ca = CaCertificate("not a CA");
  not_ca.ca = false;
  Credential below = ca.SignedBy(ca.Leaf(not_ca), CertificateOptions{.uri_sans = {kId}});
  EXPECT_EQ(Verify(below.chain_pem, ca.root_pem()), X509_V_ERR_INVALID_CA);
}

TEST(TemporaryCaTest, KeepsEveryByteOfASan) {
  TemporaryCa ca;
  CertificateOptions options;
  options.uri_sans = {std::string("spiffe://a/ns/x\0y", 17), kId};
  auto leaf = Parse(ca.Leaf(options).certificate_pem);
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(leaf[0].get(), NID_subject_alt_name, nullptr, nullptr)));
  ASSERT_NE(names, nullptr);
  ASSERT_EQ(sk_GENERAL_NAME_num(names.get()), 2u);
  const ASN1_STRING* first = sk_GENERAL_NAME_value(names.get(), 0)->d.uniformResourceIdentifier;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(first)),
                        ASN1_STRING_length(first)),
            options.uri_sans[0]);
}

TEST(TemporaryCaTest, MakesRequestsThatProvePossession) {
  auto verifies = [](const std::string& pem) {
    bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    bssl::UniquePtr<X509_REQ> request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
    bssl::UniquePtr<EVP_PKEY> key(X509_REQ_get_pubkey(request.get()));
    return X509_REQ_verify(request.get(), key.get()) == 1;
  };
  EXPECT_TRUE(verifies(MakeRequestPem({.uri_sans = {kId}, .ask_for_ca = true})));
  EXPECT_TRUE(verifies(MakeRequestPem({.key_type = KeyType::kEd25519})));
  EXPECT_FALSE(verifies(MakeRequestPem({.corrupt_signature = true})));
}

TEST(TemporaryDirectoryTest, VanishesWithItsFiles) {
  std::string path;
  {
    TemporaryDirectory directory;
    path = directory.Write("a/b.txt", "hello");
    EXPECT_EQ(directory.Read("a/b.txt"), "hello");
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace kith::test
