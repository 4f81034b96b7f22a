#include "source/tls/peer_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include <string>

#include "source/base/check.h"

namespace kith::tls {
namespace {

using testing::ElementsAre;
using testing::Pair;

// A certificate in the course of being made.
class Maker {
 public:
  Maker() : x509_(X509_new()) {
    X509_set_version(x509_.get(), X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509_.get()), 0x0a1b);
    X509_gmtime_adj(X509_getm_notBefore(x509_.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509_.get()), 3600);
  }

  Maker& Subject(const char* type, const std::string& value, int encoding = MBSTRING_UTF8) {
    KITH_CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509_.get()), type, encoding,
                                          reinterpret_cast<const uint8_t*>(value.data()),
                                          static_cast<int>(value.size()), -1, 0) == 1,
               "the test's subject is one");
    return *this;
  }

  Maker& Extension(const char* oid, const std::string& value) {
    const bssl::UniquePtr<ASN1_OBJECT> object(OBJ_txt2obj(oid, 1));
    const bssl::UniquePtr<ASN1_OCTET_STRING> data(ASN1_OCTET_STRING_new());
    ASN1_OCTET_STRING_set(data.get(), reinterpret_cast<const uint8_t*>(value.data()),
                          static_cast<int>(value.size()));
    const bssl::UniquePtr<X509_EXTENSION> extension(
        X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 0, data.get()));
    KITH_CHECK(X509_add_ext(x509_.get(), extension.get(), -1) == 1, "it takes an extension");
    return *this;
  }

  Peer Finish() {
    const bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new_raw_private_key(
        EVP_PKEY_ED25519, nullptr, reinterpret_cast<const uint8_t*>(std::string(32, 'k').data()),
        32));
    X509_set_pubkey(x509_.get(), key.get());
    KITH_CHECK(X509_sign(x509_.get(), key.get(), nullptr) > 0, "the test's certificate is signed");
    uint8_t* der = nullptr;
    const int size = i2d_X509(x509_.get(), &der);
    const bssl::UniquePtr<uint8_t> owned(der);
    Peer peer{*base::SpiffeId::Parse("spiffe://td/ns/a/sa/b"), Describe(*x509_),
              absl::InfiniteFuture()};
    peer.certificate = {CRYPTO_BUFFER_new(der, static_cast<size_t>(size), nullptr),
                        [](CRYPTO_BUFFER* buffer) { CRYPTO_BUFFER_free(buffer); }};
    return peer;
  }

 private:
  bssl::UniquePtr<X509> x509_;
};

std::string Der(char tag, const std::string& content) {
  return std::string{tag, static_cast<char>(content.size())} + content;
}

TEST(PeerCertificateTest, ReadsWhatPoliciesAskFor) {
  Maker maker;
  maker.Subject("CN", "one")
      .Subject("O", "Org")
      .Subject("OU", "Engineering")
      .Subject("OU", "Dev Ops");
  maker.Extension("1.2.3.4", Der(0x0c, "admin"))
      .Extension("1.2.3.5", "plain text")
      .Extension("1.2.3.6", std::string("\x05\x00", 2))
      .Extension("2.5.29.17", Der(0x30, Der(static_cast<char>(0x82), "a.b") +
                                            Der(static_cast<char>(0x82), "c.d")));
  const auto read = ReadAttributes(maker.Finish());
  ASSERT_TRUE(read.has_value());
  EXPECT_THAT(read->common_names, ElementsAre("one"));
  EXPECT_THAT(read->organizations, ElementsAre("Org"));
  EXPECT_THAT(read->units, ElementsAre("Engineering", "Dev Ops"));
  EXPECT_THAT(read->dns_names, ElementsAre("a.b", "c.d"));
  EXPECT_EQ(read->serial, "a1b") << "a number, without leading zeros";
  EXPECT_EQ(read->fingerprint.size(), 64u);
  EXPECT_THAT(read->extensions, testing::Contains(Pair("1.2.3.4", "admin")));
  EXPECT_THAT(read->extensions, testing::Contains(Pair("1.2.3.5", "plain text")));
  EXPECT_THAT(read->extensions, testing::Contains(Pair("1.2.3.6", "0500")));
}

TEST(PeerCertificateTest, TurnsEveryEncodingIntoUtf8AndKeepsEveryByte) {
  Maker maker;
  maker.Subject("CN", "caf\xe9", MBSTRING_ASC).Subject("OU", std::string("a\0b", 3));
  const auto read = ReadAttributes(maker.Finish());
  ASSERT_TRUE(read.has_value());
  EXPECT_THAT(read->common_names, ElementsAre("caf\xc3\xa9"));
  EXPECT_THAT(read->units, ElementsAre(std::string("a\0b", 3)));
}

TEST(PeerCertificateTest, SaysNothingAtAllOfWhatItCannotReadWhole) {
  EXPECT_FALSE(ReadAttributes(Peer{*base::SpiffeId::Parse("spiffe://td/a"), {}, {}}).has_value());
  Maker names;
  names.Extension("2.5.29.17", "no names at all");
  EXPECT_FALSE(ReadAttributes(names.Finish()).has_value());
  Maker many;
  for (int i = 0; i < 65; ++i) many.Subject("OU", "x" + std::to_string(i));
  EXPECT_FALSE(ReadAttributes(many.Finish()).has_value());
  Maker large;
  large.Extension("1.2.3.4", std::string(5000, 'x'));
  EXPECT_FALSE(ReadAttributes(large.Finish()).has_value());
}

}  // namespace
}  // namespace kith::tls
