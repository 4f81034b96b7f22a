#include "source/tls/revocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include "test/support/temporary_crl.h"
#include "test/tls/verify_peer_fixture.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::Credential;
using test::CrlOptions;
using test::MakeCrl;
using testing::HasSubstr;

class RevocationTest : public VerifyPeerTest {
 protected:
  RevocationTest() : below_(ca_.SignedBy(ca_.root(), test::CaCertificate("below"))) {}

  CrlOptions Listing(std::vector<Credential> revoked) {
    CrlOptions options;
    options.revoked = std::move(revoked);
    options.now = kNow;
    return options;
  }
  void Publish(std::vector<std::string> crls) {
    auto bundle = TrustBundle::Create(
        {{.trust_domain = "cluster.local", .roots_pem = ca_.root_pem(), .crls = std::move(crls)}});
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    bundle_ = *std::move(bundle);
  }
  void PublishFile(const std::string& file) {
    auto lists = ParseCrls(file);
    ASSERT_TRUE(lists.ok()) << lists.status();
    auto bundle = TrustBundle::Create({{"cluster.local", ca_.root_pem()}}, *lists);
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    bundle_ = *std::move(bundle);
  }
  PeerVerdict VerifyWith(const std::vector<Credential>& chain, RevocationMode mode) {
    PeerRules rules;
    rules.revocation = mode;
    return VerifyPeer(Sent(chain).buffers, PeerRole::kClient, *bundle_, kNow, rules);
  }
  Reason ReasonOf(const std::vector<Credential>& chain, RevocationMode mode) {
    return VerifyWith(chain, mode).reason;
  }
  absl::Status ErrorOf(const CrlOptions& options) {
    return Crl::Parse(MakeCrl(ca_.root(), options)).status();
  }

  const Credential below_;
  const Credential leaf_ = ca_.Leaf(kId);
  const Credential other_ = ca_.Leaf(kId);
};

TEST_F(RevocationTest, RefusesALeafOnTheListAndNamesSerialAndTime) {
  Publish({MakeCrl(ca_.root(), Listing({leaf_}))});
  ExpectRefused(Verify({leaf_}), Reason::kCertificateRevoked,
                "was revoked by \"CN=ours root\" at 2026-01-02T02:04:05Z",
                SSL_AD_CERTIFICATE_REVOKED);
  EXPECT_EQ(ReasonOf({other_}, RevocationMode::kHard), Reason::kNone);
}

TEST_F(RevocationTest, RefusesARevokedIntermediate) {
  Publish({MakeCrl(ca_.root(), Listing({below_}))});
  ExpectRefused(Verify({ca_.SignedBy(below_, {.uri_sans = {kId}}), below_}),
                Reason::kCertificateRevoked, "the certificate of its issuer, serial ",
                SSL_AD_CERTIFICATE_REVOKED);
}

TEST_F(RevocationTest, ReadsTheListOfAnIntermediate) {
  const Credential leaf = ca_.SignedBy(below_, {.uri_sans = {kId}});
  Publish({MakeCrl(below_, Listing({leaf}))});
  EXPECT_EQ(ReasonOf({leaf, below_}, RevocationMode::kSoft), Reason::kCertificateRevoked);
}

TEST_F(RevocationTest, OffReadsNoList) {
  Publish({MakeCrl(ca_.root(), Listing({leaf_}))});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kOff), Reason::kNone);
}

TEST_F(RevocationTest, AStaleListStillRevokesAndIsEnoughOnlyWhenSoft) {
  CrlOptions stale = Listing({leaf_});
  stale.next_update = kNow - absl::Seconds(1);
  Publish({MakeCrl(ca_.root(), stale)});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kSoft), Reason::kCertificateRevoked);
  EXPECT_EQ(ReasonOf({other_}, RevocationMode::kSoft), Reason::kNone);
  const PeerVerdict hard = VerifyWith({other_}, RevocationMode::kHard);
  EXPECT_EQ(hard.reason, Reason::kRevocationUnknown);
  EXPECT_THAT(std::string(hard.status.message()), HasSubstr("is not in force"));
}

TEST_F(RevocationTest, HardRefusesWithoutAListOfEveryIssuer) {
  const Credential leaf = ca_.SignedBy(below_, {.uri_sans = {kId}});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kHard), Reason::kRevocationUnknown);
  Publish({MakeCrl(ca_.root(), Listing({}))});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kHard), Reason::kNone);
  EXPECT_EQ(ReasonOf({leaf, below_}, RevocationMode::kHard), Reason::kRevocationUnknown);
  Publish({MakeCrl(ca_.root(), Listing({})), MakeCrl(below_, Listing({}))});
  EXPECT_EQ(ReasonOf({leaf, below_}, RevocationMode::kHard), Reason::kNone);
}

TEST_F(RevocationTest, AListOfTheFutureOrWithoutAnEndIsNotInForce) {
  CrlOptions future = Listing({});
  future.this_update = kNow + absl::Hours(1);
  Publish({MakeCrl(ca_.root(), future)});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kHard), Reason::kRevocationUnknown);
  CrlOptions endless = Listing({});
  endless.next_update_present = false;
  Publish({MakeCrl(ca_.root(), endless)});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kHard), Reason::kRevocationUnknown);
}

TEST_F(RevocationTest, RefusesABundleWithAListInARootsNameThatItDidNotSign) {
  const test::TemporaryCa impostor({.now = kNow, .name = "ours"});
  auto bundle = TrustBundle::Create({{.trust_domain = "cluster.local",
                                      .roots_pem = ca_.root_pem(),
                                      .crls = {MakeCrl(impostor.root(), Listing({leaf_}))}}});
  EXPECT_THAT(std::string(bundle.status().message()), HasSubstr("and not its signature"));
  CrlOptions corrupt = Listing({leaf_});
  corrupt.corrupt_signature = true;
  EXPECT_FALSE(TrustBundle::Create({{.trust_domain = "cluster.local",
                                     .roots_pem = ca_.root_pem(),
                                     .crls = {MakeCrl(ca_.root(), corrupt)}}})
                   .ok());
}

TEST_F(RevocationTest, PassesOverAListThatItsIssuerDidNotSign) {
  const test::TemporaryCa impostor({.now = kNow, .name = "ours"});
  PublishFile(test::CrlPem(MakeCrl(impostor.root(), Listing({leaf_}))));
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kSoft), Reason::kNone);
  const PeerVerdict hard = VerifyWith({leaf_}, RevocationMode::kHard);
  EXPECT_EQ(hard.reason, Reason::kRevocationUnknown);
  EXPECT_THAT(std::string(hard.status.message()), HasSubstr("has another key"));
}

TEST_F(RevocationTest, PassesOverAListOfAnIssuerThatMaySignNone) {
  test::CertificateOptions options = test::CaCertificate("below");
  options.key_usage = {test::KeyUsage::kKeyCertSign};
  const Credential issuer = ca_.SignedBy(ca_.root(), options);
  const Credential leaf = ca_.SignedBy(issuer, {.uri_sans = {kId}});
  Publish({MakeCrl(issuer, Listing({leaf}))});
  EXPECT_EQ(ReasonOf({leaf, issuer}, RevocationMode::kSoft), Reason::kNone);
}

TEST_F(RevocationTest, ReadsEveryListOfAFile) {
  const test::TemporaryCa other({.now = kNow, .name = "other"});
  PublishFile(test::CrlPem(MakeCrl(other.root(), Listing({}))) +
              test::CrlPem(MakeCrl(ca_.root(), Listing({leaf_}))));
  EXPECT_EQ(bundle_->revoked().size(), 2u);
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kSoft), Reason::kCertificateRevoked);
  PublishFile(MakeCrl(ca_.root(), Listing({leaf_})));  // DER.
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kSoft), Reason::kCertificateRevoked);
}

TEST_F(RevocationTest, HonoursWhatAListIsAbout) {
  const std::string only_leaves("\x30\x03\x81\x01\xff", 5);
  const std::string only_cas("\x30\x03\x82\x01\xff", 5);
  const Credential leaf = ca_.SignedBy(below_, {.uri_sans = {kId}});
  CrlOptions options = Listing({leaf_, below_});
  options.distribution_point = only_leaves;
  Publish({MakeCrl(ca_.root(), options)});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kSoft), Reason::kCertificateRevoked);
  EXPECT_EQ(ReasonOf({leaf, below_}, RevocationMode::kSoft), Reason::kNone);
  options.distribution_point = only_cas;
  Publish({MakeCrl(ca_.root(), options)});
  EXPECT_EQ(ReasonOf({leaf_}, RevocationMode::kSoft), Reason::kNone);
  EXPECT_EQ(ReasonOf({leaf, below_}, RevocationMode::kSoft), Reason::kCertificateRevoked);
}

TEST_F(RevocationTest, RefusesListsItCannotApplyInFull) {
  CrlOptions options = Listing({leaf_});
  options.delta = true;
  EXPECT_FALSE(ErrorOf(options).ok());  // BoringSSL reads none without a number.
  options = Listing({leaf_});
  options.unknown_critical_extension = true;
  EXPECT_THAT(std::string(ErrorOf(options).message()), HasSubstr("not understood"));
  options = Listing({leaf_});
  options.unknown_critical_entry_extension = true;
  EXPECT_THAT(std::string(ErrorOf(options).message()), HasSubstr("an entry of it"));
  options = Listing({leaf_});
  options.sha1 = true;
  EXPECT_THAT(std::string(ErrorOf(options).message()), HasSubstr("weaker than SHA-256"));
  options = Listing({leaf_});
  options.distribution_point = std::string("\x30\x03\x84\x01\xff", 5);  // Indirect.
  EXPECT_THAT(std::string(ErrorOf(options).message()), HasSubstr("indirect"));
}

TEST_F(RevocationTest, RefusesWhatIsNoList) {
  const std::string der = MakeCrl(ca_.root(), Listing({leaf_}));
  for (size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(Crl::Parse(der.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(Crl::Parse(der + "x").ok());
  EXPECT_FALSE(ParseCrls("").ok());
  EXPECT_FALSE(ParseCrls(ca_.root_pem()).ok());
  EXPECT_FALSE(ParseCrls("-----BEGIN X509 CRL-----\nno base64 \n-----END X509 CRL-----\n").ok());
}

TEST_F(RevocationTest, FindsThatAPeerWasRevokedLater) {
  const PeerVerdict verdict = Verify({leaf_});
  ASSERT_TRUE(verdict.peer.has_value());
  EXPECT_TRUE(CheckStanding(*verdict.peer, *bundle_, kNow, {}).status.ok());
  Publish({MakeCrl(ca_.root(), Listing({other_}))});
  EXPECT_TRUE(CheckStanding(*verdict.peer, *bundle_, kNow, {}).status.ok());
  Publish({MakeCrl(ca_.root(), Listing({leaf_}))});
  EXPECT_EQ(CheckStanding(*verdict.peer, *bundle_, kNow, {}).reason, Reason::kCertificateRevoked);
}

TEST_F(RevocationTest, FindsOurOwnCertificateOnAList) {
  auto key = PrivateKey::FromPem(leaf_.key_pem);
  auto identity = Identity::Create(leaf_.chain_pem, *key);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_FALSE(IsRevoked(**identity, *bundle_, kNow));
  Publish({MakeCrl(ca_.root(), Listing({leaf_}))});
  EXPECT_TRUE(IsRevoked(**identity, *bundle_, kNow));
}

// ---- The other rules ----

TEST_F(RevocationTest, PinsHoldForThePeersTheyName) {
  const PinSet::Digest wrong{};
  PeerRules rules;
  const auto reason = [&](PinSet pins) {
    rules.pins = {std::move(pins)};
    const std::string& der = leaf_.certificate_der;
    const bssl::UniquePtr<CRYPTO_BUFFER> leaf(
        CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(der.data()), der.size(), nullptr));
    CRYPTO_BUFFER* const chain[] = {leaf.get()};
    return VerifyPeer(chain, PeerRole::kServer, *bundle_, kNow, rules).reason;
  };
  PinSet::Digest certificate{};
  SHA256(reinterpret_cast<const uint8_t*>(leaf_.certificate_der.data()),
         leaf_.certificate_der.size(), certificate.data());
  EXPECT_EQ(reason({{kId}, {wrong}, {wrong}}), Reason::kPinMismatch);
  EXPECT_EQ(reason({{}, {wrong}, {}}), Reason::kPinMismatch);
  EXPECT_EQ(reason({{"spiffe://cluster.local/ns/shop/*"}, {}, {wrong}}), Reason::kPinMismatch);
  EXPECT_EQ(reason({{"spiffe://cluster.local/ns/bank/*"}, {wrong}, {}}), Reason::kNone);
  EXPECT_EQ(reason({{kId}, {wrong, certificate}, {}}), Reason::kNone);
}

TEST_F(RevocationTest, ABreakGlassLetsPassWhatEndedNotTooLongAgo) {
  const Credential ended = ca_.Leaf({.uri_sans = {kId}, .not_after = kNow - absl::Minutes(10)});
  const bssl::UniquePtr<CRYPTO_BUFFER> leaf(
      CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(ended.certificate_der.data()),
                        ended.certificate_der.size(), nullptr));
  CRYPTO_BUFFER* const chain[] = {leaf.get()};
  PeerRules rules;
  const auto reason = [&] {
    return VerifyPeer(chain, PeerRole::kClient, *bundle_, kNow, rules).reason;
  };
  EXPECT_EQ(reason(), Reason::kCertificateExpired);
  rules.ended_since = kNow - absl::Minutes(5);
  EXPECT_EQ(reason(), Reason::kCertificateExpired);
  rules.ended_since = kNow - absl::Minutes(15);
  EXPECT_EQ(reason(), Reason::kNone);
  // Everything else is looked at as ever.
  Publish({MakeCrl(ca_.root(), Listing({ended}))});
  EXPECT_EQ(reason(), Reason::kCertificateRevoked);
  TrustOnly(test::TemporaryCa({.now = kNow, .name = "other"}).root_pem());
  EXPECT_EQ(reason(), Reason::kUnknownRoot);
}

}  // namespace
}  // namespace kith::tls
