#include "source/tls/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "test/support/temporary_ca.h"

namespace kith::tls {
namespace {

using test::CertificateOptions;
using test::Credential;
using test::TemporaryCa;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kId[] = "spiffe://cluster.local/ns/shop/sa/backend";

std::shared_ptr<const PrivateKey> Key(const std::string& pem) {
  auto key = PrivateKey::FromPem(pem);
  EXPECT_TRUE(key.ok()) << key.status();
  return *std::move(key);
}

std::string IdentityError(const std::string& chain, const std::string& key) {
  return std::string(Identity::Create(chain, Key(key)).status().message());
}

TEST(PrivateKeyTest, RequestsACertificateForExactlyOneUriName) {
  auto key = PrivateKey::GenerateP256();
  ASSERT_TRUE(key.ok());
  auto pem = (*key)->CertificateRequest(*base::SpiffeId::Parse(kId));
  ASSERT_TRUE(pem.ok());
  bssl::UniquePtr<BIO> in(BIO_new_mem_buf(pem->data(), static_cast<int>(pem->size())));
  bssl::UniquePtr<X509_REQ> request(PEM_read_bio_X509_REQ(in.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(X509_REQ_verify(request.get(), (*key)->get()), 1);
  EXPECT_EQ(X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())), 0);
  bssl::UniquePtr<EVP_PKEY> public_key(X509_REQ_get_pubkey(request.get()));
  EXPECT_EQ(EVP_PKEY_id(public_key.get()), EVP_PKEY_EC);
  EXPECT_EQ(EVP_PKEY_bits(public_key.get()), 256);
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(X509_REQ_get_extensions(request.get()));
  ASSERT_EQ(sk_X509_EXTENSION_num(extensions.get()), 1u);
  X509_EXTENSION* extension = sk_X509_EXTENSION_value(extensions.get(), 0);
  EXPECT_EQ(X509_EXTENSION_get_critical(extension), 1);
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(X509V3_EXT_d2i(extension)));
  ASSERT_EQ(sk_GENERAL_NAME_num(names.get()), 1u);
  const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
  ASSERT_EQ(name->type, GEN_URI);
  const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                        static_cast<size_t>(ASN1_STRING_length(uri))),
            kId);
}

TEST(PrivateKeyTest, IsAnotherEachTime) {
  auto one = PrivateKey::GenerateP256();
  auto two = PrivateKey::GenerateP256();
  EXPECT_EQ(EVP_PKEY_cmp((*one)->get(), (*two)->get()), 0);
}

TEST(PrivateKeyTest, ReadsEveryKindOfKeyAndRequestsWithIt) {
  for (test::KeyType type : {test::KeyType::kP256, test::KeyType::kP384, test::KeyType::kRsa2048,
                             test::KeyType::kEd25519}) {
    auto key = PrivateKey::FromPem(test::MakeKeyPem(type));
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_TRUE((*key)->CertificateRequest(*base::SpiffeId::Parse(kId)).ok());
  }
}

TEST(PrivateKeyTest, ReadsTheOlderFormOfAnEcKey) {
  auto key = PrivateKey::GenerateP256();
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  EC_KEY* ec = EVP_PKEY_get0_EC_KEY((*key)->get());
  ASSERT_EQ(PEM_write_bio_ECPrivateKey(out.get(), ec, nullptr, nullptr, 0, nullptr, nullptr), 1);
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  BIO_mem_contents(out.get(), &bytes, &size);
  const absl::string_view pem(reinterpret_cast<const char*>(bytes), size);
  ASSERT_THAT(std::string(pem), HasSubstr("BEGIN EC PRIVATE KEY"));
  auto read = PrivateKey::FromPem(pem);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(EVP_PKEY_cmp((*read)->get(), (*key)->get()), 1);
}

TEST(PrivateKeyTest, RefusesWhatIsNoKeyWithoutShowingIt) {
  const TemporaryCa ca;
  const std::string key = test::MakeKeyPem();
  std::string damaged = key;
  damaged[60] = damaged[60] == 'A' ? 'B' : 'A';
  for (const std::string& pem : {std::string(), std::string("secret"), ca.root_pem(),
                                 key.substr(0, key.size() / 2), damaged}) {
    auto read = PrivateKey::FromPem(pem);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(read.status().message()),
                HasSubstr("read a private key: no unencrypted PEM key"));
  }
  EXPECT_THAT(
      std::string(PrivateKey::FromPem(std::string(64 * 1024 + 1, ' ') + key).status().message()),
      HasSubstr("more than 64 KiB"));
}

TEST(PrivateKeyTest, RefusesAnEncryptedKeyInsteadOfAskingForAPassword) {
  auto key = PrivateKey::GenerateP256();
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  char password[] = "secret";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(out.get(), (*key)->get(), EVP_aes_128_cbc(), password, 6,
                                          nullptr, nullptr),
            1);
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  BIO_mem_contents(out.get(), &bytes, &size);
  EXPECT_FALSE(
      PrivateKey::FromPem(absl::string_view(reinterpret_cast<const char*>(bytes), size)).ok());
}

TEST(IdentityTest, HoldsLeafAndIssuers) {
  const absl::Time now = absl::FromUnixSeconds(1767323045);
  const TemporaryCa ca({.now = now, .intermediate = true, .name = "acme"});
  const Credential leaf = ca.Leaf({.uri_sans = {kId},
                                   .not_before = now - absl::Minutes(2),
                                   .not_after = now + absl::Hours(1),
                                   .serial = std::string("\x00\x0a\xff", 3)});
  auto identity = Identity::Create(leaf.chain_pem, Key(leaf.key_pem));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ((*identity)->id().text(), kId);
  EXPECT_EQ((*identity)->leaf().serial, "0aff");
  EXPECT_EQ((*identity)->leaf().subject, "");
  EXPECT_THAT((*identity)->leaf().issuer, HasSubstr("acme"));
  EXPECT_EQ((*identity)->leaf().not_before, now - absl::Minutes(2));
  EXPECT_EQ((*identity)->leaf().not_after, now + absl::Hours(1));
  EXPECT_EQ((*identity)->not_after(), now + absl::Hours(1));
  EXPECT_THAT((*identity)->chain(), SizeIs(2));
  EXPECT_THAT((*identity)->chain_info(), SizeIs(2));
  EXPECT_EQ((*identity)->ChainPem(), leaf.chain_pem);
}

TEST(IdentityTest, EndsWithTheFirstOfItsChain) {
  const absl::Time now = absl::FromUnixSeconds(1767323045);
  const TemporaryCa ca({.now = now});
  CertificateOptions short_lived = test::CaCertificate("short");
  short_lived.not_after = now + absl::Minutes(10);
  const Credential intermediate = ca.SignedBy(ca.root(), short_lived);
  const Credential leaf =
      ca.SignedBy(intermediate, {.uri_sans = {kId}, .not_after = now + absl::Hours(1)});
  auto identity = Identity::Create(leaf.chain_pem, Key(leaf.key_pem));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ((*identity)->not_after(), now + absl::Minutes(10));
}

TEST(IdentityTest, ToleratesTextAroundTheBlocks) {
  const TemporaryCa ca;
  const Credential leaf = ca.Leaf(kId);
  EXPECT_TRUE(
      Identity::Create("# mine\n" + leaf.chain_pem + "\n\n# end\n", Key(leaf.key_pem)).ok());
}

TEST(IdentityTest, RefusesTheKeyOfAnother) {
  const TemporaryCa ca;
  EXPECT_THAT(IdentityError(ca.Leaf(kId).chain_pem, test::MakeKeyPem()),
              HasSubstr("certificate 1: it was issued for another key than ours"));
}

TEST(IdentityTest, RefusesALeafThatIsNoSvid) {
  const TemporaryCa ca;
  const Credential leaf = ca.Leaf({.uri_sans = {kId, "spiffe://cluster.local/ns/a/sa/b"}});
  EXPECT_THAT(IdentityError(leaf.chain_pem, leaf.key_pem),
              HasSubstr("our certificate chain: certificate 1: it has 2 URI SANs"));
}

TEST(IdentityTest, RefusesACertificateThatDidNotIssueTheOneBefore) {
  const TemporaryCa ca;
  const TemporaryCa other({.name = "other"});
  const Credential leaf = ca.Leaf(kId);
  EXPECT_THAT(IdentityError(leaf.certificate_pem + other.root_pem(), leaf.key_pem),
              HasSubstr("certificate 2: it is not the issuer of certificate 1"));
  EXPECT_THAT(IdentityError(leaf.certificate_pem + leaf.certificate_pem, leaf.key_pem),
              HasSubstr("certificate 2: it is not a CA's certificate"));
}

TEST(IdentityTest, RefusesWhatIsNoChain) {
  const TemporaryCa ca;
  const Credential leaf = ca.Leaf(kId);
  EXPECT_THAT(IdentityError("", leaf.key_pem), HasSubstr("it holds no certificate"));
  EXPECT_THAT(IdentityError("just text", leaf.key_pem), HasSubstr("it holds no certificate"));
  EXPECT_THAT(IdentityError(leaf.chain_pem + leaf.key_pem, leaf.key_pem),
              HasSubstr("certificate 2: found a block \"PRIVATE KEY\""));
  EXPECT_THAT(IdentityError(leaf.chain_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n", leaf.key_pem),
              HasSubstr("certificate 2: its PEM block is malformed"));
  EXPECT_THAT(
      IdentityError("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", leaf.key_pem),
      HasSubstr("certificate 1: it is no X.509 certificate"));
}

TEST(IdentityTest, BoundsTheChain) {
  const TemporaryCa ca;
  Credential issuer = ca.root();
  for (int i = 0; i < 9; ++i) {
    issuer = ca.SignedBy(issuer, test::CaCertificate(absl::StrCat("intermediate ", i)));
  }
  const Credential ten = ca.SignedBy(issuer, {.uri_sans = {kId}});
  EXPECT_TRUE(Identity::Create(ten.chain_pem, Key(ten.key_pem)).ok());
  EXPECT_THAT(IdentityError(ten.chain_pem + ca.root_pem(), ten.key_pem),
              HasSubstr("it has more than 10 certificates"));
  EXPECT_THAT(IdentityError(ten.chain_pem + std::string(64 * 1024, '\n'), ten.key_pem),
              HasSubstr("bytes, more than 65536"));
}

TEST(CertificateInfoTest, BoundsNames) {
  bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  for (int i = 0; i < 10; ++i) {
    const std::string unit(60, 'u');
    ASSERT_EQ(X509_NAME_add_entry_by_NID(name.get(), NID_organizationalUnitName, MBSTRING_ASC,
                                         reinterpret_cast<const uint8_t*>(unit.data()), 60, -1, 0),
              1);
  }
  EXPECT_THAT(NameText(name.get()), SizeIs(256 + 3));
}

TEST(TrustBundleTest, KeepsRootsByTrustDomain) {
  const TemporaryCa ours({.name = "ours"});
  const TemporaryCa next({.name = "next"});
  const TemporaryCa theirs({.name = "theirs"});
  auto bundle = TrustBundle::Create(
      {{"cluster.local", ours.root_pem() + next.root_pem()}, {"other.example", theirs.root_pem()}});
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  EXPECT_THAT((*bundle)->RootsOf("cluster.local"), SizeIs(2));
  EXPECT_THAT((*bundle)->RootsOf("other.example"), SizeIs(1));
  EXPECT_THAT((*bundle)->RootsOf("cluster"), SizeIs(0));
  EXPECT_THAT((*bundle)->RootsOf(""), SizeIs(0));
  EXPECT_THAT((*bundle)->RootInfo("other.example").at(0).subject, HasSubstr("theirs"));
  EXPECT_THAT((*bundle)->domains(), SizeIs(2));
}

TEST(TrustBundleTest, MayBeEmpty) {
  auto bundle = TrustBundle::Create({});
  ASSERT_TRUE(bundle.ok());
  EXPECT_THAT((*bundle)->RootsOf("cluster.local"), SizeIs(0));
}

TEST(TrustBundleTest, RefusesWhatCannotBeARoot) {
  const TemporaryCa ca;
  const auto error = [](std::vector<TrustBundle::Domain> domains) {
    return std::string(TrustBundle::Create(std::move(domains)).status().message());
  };
  EXPECT_THAT(error({{"cluster.local", ca.root_pem() + ca.Leaf(kId).certificate_pem}}),
              HasSubstr("trust bundle of cluster.local: certificate 2: it is not a CA's"));
  CertificateOptions mute = test::CaCertificate("no keyCertSign");
  mute.key_usage = {test::KeyUsage::kCrlSign};
  EXPECT_THAT(error({{"cluster.local", ca.SelfSigned(mute).certificate_pem}}),
              HasSubstr("its key usage lacks keyCertSign"));
  CertificateOptions weak = test::CaCertificate("weak");
  weak.key_type = test::KeyType::kRsa1024;
  EXPECT_THAT(error({{"cluster.local", ca.SelfSigned(weak).certificate_pem}}),
              HasSubstr("its RSA key has 1024 bits"));
  EXPECT_THAT(error({{"cluster.local", ""}}), HasSubstr("it holds no certificate"));
  EXPECT_THAT(error({{"Cluster Local", ca.root_pem()}}), HasSubstr("is no trust domain"));
  EXPECT_THAT(error({{"a", ca.root_pem()}, {"a", ca.root_pem()}}), HasSubstr("it is given twice"));
}

TEST(TrustBundleTest, BoundsTheRoots) {
  const TemporaryCa ca;
  std::string many;
  for (int i = 0; i < 256; ++i) many += ca.root_pem();
  EXPECT_TRUE(TrustBundle::Create({{"cluster.local", many}}).ok());
  EXPECT_THAT(
      std::string(
          TrustBundle::Create({{"cluster.local", many + ca.root_pem()}}).status().message()),
      HasSubstr("it has more than 256 certificates"));
}

}  // namespace
}  // namespace kith::tls
