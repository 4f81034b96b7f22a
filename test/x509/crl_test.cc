#include "source/x509/crl.h"

#include <gtest/gtest.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/x509.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "source/x509/crypto.h"
#include "test/support/temporary_ca.h"

namespace kith::x509 {
namespace {

Issuer IssuerOf(const test::TemporaryCa& ca) {
  auto certificates = ParseCertificatesPem(ca.issuer().certificate_pem);
  auto key = ParsePrivateKeyPem(ca.issuer().key_pem);
  auto issuer = Issuer::Of(certificates->front().get(), *std::move(key));
  return *std::move(issuer);
}

bssl::UniquePtr<X509_CRL> Parse(const std::string& der) {
  const uint8_t* cursor = reinterpret_cast<const uint8_t*>(der.data());
  const uint8_t* end = cursor + der.size();
  bssl::UniquePtr<X509_CRL> crl(d2i_X509_CRL(nullptr, &cursor, static_cast<long>(der.size())));
  EXPECT_EQ(cursor, end);
  return crl;
}

bssl::UniquePtr<ASN1_INTEGER> Serial(absl::string_view hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  bssl::UniquePtr<BIGNUM> number(
      BN_bin2bn(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), nullptr));
  return bssl::UniquePtr<ASN1_INTEGER>(BN_to_ASN1_INTEGER(number.get(), nullptr));
}

CrlSpec Spec() {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  CrlSpec spec;
  spec.number = 300;
  spec.this_update = now;
  spec.next_update = now + absl::Hours(24);
  // One that would be negative without its zero byte, a short one, one with a leading zero byte.
  spec.revoked = {{"f00000000000000000000000000000ff", now, RevocationReason::kKeyCompromise},
                  {"01", now, RevocationReason::kUnspecified},
                  {"00ab", now, RevocationReason::kSuperseded}};
  return spec;
}

class CrlTest : public ::testing::TestWithParam<test::KeyType> {};

TEST_P(CrlTest, IsSignedByItsIssuerAndListsWhatIsRevoked) {
  const test::TemporaryCa ca({.key_type = GetParam()});
  const Issuer issuer = IssuerOf(ca);
  const auto der = BuildCrl(Spec(), issuer);
  ASSERT_TRUE(der.ok()) << der.status();
  const auto crl = Parse(*der);
  ASSERT_TRUE(crl);
  EXPECT_EQ(X509_CRL_verify(crl.get(), issuer.key.get()), 1);
  EXPECT_EQ(X509_CRL_get_version(crl.get()), 1);
  X509_REVOKED* entry = nullptr;
  for (const char* serial : {"f00000000000000000000000000000ff", "01", "ab"}) {
    EXPECT_EQ(X509_CRL_get0_by_serial(crl.get(), &entry, Serial(serial).get()), 1) << serial;
  }
  EXPECT_EQ(X509_CRL_get0_by_serial(crl.get(), &entry, Serial("02").get()), 0);
  int critical = 0;
  bssl::UniquePtr<ASN1_INTEGER> number(static_cast<ASN1_INTEGER*>(
      X509_CRL_get_ext_d2i(crl.get(), NID_crl_number, &critical, nullptr)));
  ASSERT_TRUE(number);
  EXPECT_EQ(ASN1_INTEGER_get(number.get()), 300);
}

INSTANTIATE_TEST_SUITE_P(EveryKeyType, CrlTest,
                         ::testing::Values(test::KeyType::kP256, test::KeyType::kP384,
                                           test::KeyType::kRsa2048, test::KeyType::kEd25519));

TEST(CrlTest, MayBeEmpty) {
  const test::TemporaryCa ca;
  const Issuer issuer = IssuerOf(ca);
  CrlSpec spec = Spec();
  spec.revoked.clear();
  const auto der = BuildCrl(spec, issuer);
  ASSERT_TRUE(der.ok()) << der.status();
  const auto crl = Parse(*der);
  ASSERT_TRUE(crl);
  EXPECT_EQ(X509_CRL_verify(crl.get(), issuer.key.get()), 1);
  EXPECT_EQ(X509_CRL_get_REVOKED(crl.get()), nullptr);
}

TEST(CrlTest, WritesDatesAfter2049WithFourDigits) {
  const test::TemporaryCa ca;
  CrlSpec spec = Spec();
  spec.next_update = absl::FromCivil(absl::CivilSecond(2050, 1, 2, 3, 4, 5), absl::UTCTimeZone());
  const auto der = BuildCrl(spec, IssuerOf(ca));
  ASSERT_TRUE(der.ok()) << der.status();
  EXPECT_NE(der->find("20500102030405Z"), std::string::npos);
  EXPECT_TRUE(Parse(*der));
}

TEST(CrlTest, KnowsItsReasonsByName) {
  EXPECT_EQ(*ParseRevocationReason("keyCompromise"), RevocationReason::kKeyCompromise);
  EXPECT_EQ(Name(RevocationReason::kPrivilegeWithdrawn), "privilegeWithdrawn");
  EXPECT_TRUE(absl::IsInvalidArgument(ParseRevocationReason("bad mood").status()));
}

}  // namespace
}  // namespace kith::x509
