// What is asked of a responder, and which of its answers are believed. The answers are made with
// the responder's side of this house (ocsp.h); those of OpenSSL's are in the corpus of
// ocsp_response_fuzz.cc and in test/integration/ocsp_test.py.
#include "source/x509/ocsp_response.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "test/support/ocsp_authority.h"

namespace kith::x509 {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'795'287'600);

class OcspResponseTest : public ::testing::Test {
 protected:
  std::string Answer(const X509& leaf, const test::OcspAuthority& of,
                     const test::OcspAuthority& signer,
                     OcspAnswer answer = {.status = CertificateStatus::kGood}) {
    return of.Respond(leaf, answer, times_, signer);
  }
  absl::StatusOr<OcspStatement> Read(absl::string_view response) {
    return ReadOcspResponse(response, *leaf_, ca_.certificate(), kNow);
  }

  OcspTimes times_ = {kNow, kNow - absl::Minutes(1), kNow + absl::Hours(1)};
  test::OcspAuthority ca_{kNow, "one"};
  test::OcspAuthority other_{kNow, "other"};
  bssl::UniquePtr<X509> leaf_ = ca_.Issue("leaf.example").certificate;
};

TEST_F(OcspResponseTest, AsksInAWayThatAResponderUnderstands) {
  const auto request = ParseOcspRequest(*MakeOcspRequest(*leaf_, ca_.certificate()));
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->certificates.size(), 1u);
  EXPECT_EQ(request->certificates[0].serial, SerialHex(leaf_.get()));
  EXPECT_TRUE(IsIssuerOf(request->certificates[0], ca_.issuer()));
  EXPECT_FALSE(IsIssuerOf(request->certificates[0], other_.issuer()));
  EXPECT_EQ(request->nonce, "");
}

TEST_F(OcspResponseTest, FindsTheFirstHttpUrlOfAResponder) {
  const auto url_of = [this](const std::vector<std::string>& urls) {
    return OcspUrlOf(*ca_.Issue("leaf.example", urls).certificate);
  };
  EXPECT_EQ(url_of({}), "");
  EXPECT_EQ(url_of({"https://a.example/", "http://b.example/x", "http://c.example"}),
            "http://b.example/x");
  EXPECT_EQ(url_of({"http://a b.example/"}), "");
  EXPECT_EQ(url_of({"http://" + std::string(600, 'a')}), "");
}

TEST_F(OcspResponseTest, BelievesTheIssuer) {
  const auto good = Read(Answer(*leaf_, ca_, ca_));
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->status, CertificateStatus::kGood);
  EXPECT_EQ(good->this_update, times_.this_update);
  EXPECT_EQ(good->next_update, times_.next_update);
  const absl::Time when = kNow - absl::Minutes(30);
  const auto revoked = Read(Answer(
      *leaf_, ca_, ca_, {CertificateStatus::kRevoked, when, RevocationReason::kKeyCompromise}));
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->status, CertificateStatus::kRevoked);
  EXPECT_EQ(revoked->revoked_at, when);
  EXPECT_EQ(Read(Answer(*leaf_, ca_, ca_, {}))->status, CertificateStatus::kUnknown);
}

TEST_F(OcspResponseTest, BelievesNobodyElse) {
  const absl::Status status = Read(Answer(*leaf_, ca_, other_)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("OCSPSigning"));
}

TEST_F(OcspResponseTest, IsNotGivenAnAnswerAboutAnother) {
  EXPECT_TRUE(
      absl::IsNotFound(Read(Answer(*ca_.Issue("leaf.example").certificate, ca_, ca_)).status()));
  // The serial number of ours, of another issuer.
  EXPECT_TRUE(absl::IsNotFound(Read(Answer(*leaf_, other_, ca_)).status()));
}

TEST_F(OcspResponseTest, RefusesEveryChangedByteOfWhatIsSigned) {
  const std::string response = Answer(*leaf_, ca_, ca_);
  ASSERT_TRUE(Read(response).ok());
  size_t believed = 0;
  for (size_t at = 0; at < response.size(); ++at) {
    std::string changed = response;
    changed[at] = static_cast<char>(changed[at] ^ 0x01);
    believed += Read(changed).ok() ? 1 : 0;
  }
  EXPECT_EQ(believed, 0u);
  for (size_t size = 0; size < response.size(); ++size) {
    EXPECT_FALSE(Read(absl::string_view(response).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(Read(response + "x").ok());
}

TEST_F(OcspResponseTest, SaysWhatAResponderSaysOfItself) {
  const absl::Status status = Read(OcspErrorResponse(OcspError::kUnauthorized)).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.message(), HasSubstr("error 6"));
}

TEST_F(OcspResponseTest, IsInForceFromItsUpdateToTheNextOne) {
  const auto statement = Read(Answer(*leaf_, ca_, ca_));
  EXPECT_TRUE(statement->IsInForce(kNow));
  EXPECT_TRUE(statement->IsInForce(times_.this_update - absl::Minutes(4))) << "clocks differ";
  EXPECT_FALSE(statement->IsInForce(times_.this_update - absl::Minutes(6)));
  EXPECT_FALSE(statement->IsInForce(times_.next_update));
}

}  // namespace
}  // namespace kith::x509
