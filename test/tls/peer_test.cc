#include "source/tls/peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "test/tls/verify_peer_fixture.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::CertificateOptions;
using test::Credential;
using test::ExtendedKeyUsage;
using test::KeyUsage;
using test::TemporaryCa;
using testing::HasSubstr;

TEST_F(VerifyPeerTest, AcceptsALeafOfOurRoot) {
  const Credential leaf = ca_.Leaf({.uri_sans = {kId},
                                    .not_after = kNow + absl::Hours(1),
                                    .serial = std::string("\x12\x34", 2)});
  for (PeerRole role : {PeerRole::kClient, PeerRole::kServer}) {
    const PeerVerdict verdict = Verify({leaf}, role);
    ASSERT_TRUE(verdict.status.ok()) << verdict.status;
    EXPECT_EQ(verdict.reason, Reason::kNone);
    EXPECT_EQ(verdict.peer->id.text(), kId);
    EXPECT_EQ(verdict.peer->leaf.serial, "1234");
    EXPECT_EQ(verdict.peer->not_after, kNow + absl::Hours(1));
  }
}

TEST_F(VerifyPeerTest, AcceptsEveryStrongKindOfKey) {
  for (test::KeyType type : {test::KeyType::kP256, test::KeyType::kP384, test::KeyType::kRsa2048,
                             test::KeyType::kEd25519}) {
    EXPECT_TRUE(Verify({ca_.Leaf({.uri_sans = {kId}, .key_type = type})}).status.ok());
  }
}

TEST_F(VerifyPeerTest, AcceptsOtherNamesBesideTheUri) {
  const Credential leaf = ca_.Leaf({.uri_sans = {kId},
                                    .dns_sans = {"backend.shop.svc"},
                                    .email_sans = {"a@b.example"},
                                    .ip_sans = {std::string("\x0a\x00\x00\x01", 4)}});
  EXPECT_TRUE(Verify({leaf}).status.ok());
}

TEST_F(VerifyPeerTest, AcceptsALeafWithoutExtendedKeyUsage) {
  EXPECT_TRUE(Verify({ca_.Leaf({.uri_sans = {kId}, .extended_key_usage = {}})}).status.ok());
}

TEST_F(VerifyPeerTest, ToleratesAKeyUsageThatIsNotCritical) {
  EXPECT_TRUE(Verify({ca_.Leaf({.uri_sans = {kId}, .key_usage_critical = false})}).status.ok());
}

TEST_F(VerifyPeerTest, RefusesNamesThatAreNotOneSpiffeId) {
  const std::string id = kId;
  const int alert = SSL_AD_BAD_CERTIFICATE;
  const Reason reason = Reason::kBadSpiffeId;
  ExpectLeafRefused({}, reason, "it has no URI SAN", alert);
  ExpectLeafRefused({.dns_sans = {"a.example"}}, reason, "it has no URI SAN", alert);
  ExpectLeafRefused({.uri_sans = {id, id}}, reason, "it has 2 URI SANs instead of one", alert);
  ExpectLeafRefused({.uri_sans = {id, "https://a.example"}}, reason, "2 URI SANs", alert);
  ExpectLeafRefused({.uri_sans = {id + std::string("\0.evil", 6)}}, reason, "\\x00.evil", alert);
  ExpectLeafRefused({.uri_sans = {std::string("spiffe://cluster.local\0/ns/a/sa/b", 33)}}, reason,
                    "its URI SAN", alert);
  ExpectLeafRefused({.uri_sans = {id + "\n"}}, reason, "\\n", alert);
  ExpectLeafRefused({.uri_sans = {id + "/"}}, reason, "its URI SAN", alert);
  ExpectLeafRefused({.uri_sans = {id + "%2f"}}, reason, "its URI SAN", alert);
  ExpectLeafRefused({.uri_sans = {"spiffe://cluster.local:443/ns/a/sa/b"}}, reason, "its URI SAN",
                    alert);
  ExpectLeafRefused({.uri_sans = {"https://cluster.local/ns/a/sa/b"}}, reason,
                    "does not start with spiffe://", alert);
  ExpectLeafRefused({.uri_sans = {""}}, reason, "it is empty", alert);
  ExpectLeafRefused({.uri_sans = {"spiffe://cluster.local"}}, reason,
                    "names a trust domain, no workload", alert);
}

TEST_F(VerifyPeerTest, RefusesWhatIsNotMadeForALeaf) {
  const int alert = SSL_AD_UNSUPPORTED_CERTIFICATE;
  const Reason reason = Reason::kCertificatePurpose;
  CertificateOptions ca = test::CaCertificate("a CA");
  ca.uri_sans = {kId};
  ExpectLeafRefused(ca, reason, "it is a CA's certificate", alert);
  ExpectLeafRefused({.uri_sans = {kId}, .ca = true}, reason, "it is a CA's certificate", alert);
  ExpectLeafRefused({.uri_sans = {kId}, .key_usage = {}}, reason, "it has no key usage", alert);
  ExpectLeafRefused({.uri_sans = {kId}, .key_usage = {KeyUsage::kKeyEncipherment}}, reason,
                    "lacks digitalSignature", alert);
  ExpectLeafRefused(
      {.uri_sans = {kId}, .key_usage = {KeyUsage::kDigitalSignature, KeyUsage::kKeyCertSign}},
      reason, "keyCertSign", alert);
  ExpectLeafRefused(
      {.uri_sans = {kId}, .key_usage = {KeyUsage::kDigitalSignature, KeyUsage::kCrlSign}}, reason,
      "cRLSign", alert);
  for (ExtendedKeyUsage usage : {ExtendedKeyUsage::kServerAuth, ExtendedKeyUsage::kClientAuth,
                                 ExtendedKeyUsage::kCodeSigning}) {
    ExpectLeafRefused({.uri_sans = {kId}, .extended_key_usage = {usage}}, reason,
                      "lacks serverAuth or clientAuth", alert);
  }
}

TEST_F(VerifyPeerTest, RefusesWeakKeys) {
  ExpectLeafRefused({.uri_sans = {kId}, .key_type = test::KeyType::kRsa1024}, Reason::kWeakKey,
                    "its RSA key has 1024 bits", SSL_AD_BAD_CERTIFICATE);
  ExpectLeafRefused({.uri_sans = {kId}, .key_type = test::KeyType::kP224}, Reason::kWeakKey,
                    "its key is on a curve below P-256", SSL_AD_BAD_CERTIFICATE);
}

TEST_F(VerifyPeerTest, SaysBothTimesOfAnExpiredCertificate) {
  const Credential leaf = ca_.Leaf({.uri_sans = {kId}, .not_after = kNow + absl::Minutes(1)});
  EXPECT_TRUE(Verify({leaf}, PeerRole::kClient, kNow + absl::Seconds(59)).status.ok());
  ExpectRefused(
      Verify({leaf}, PeerRole::kClient, kNow + absl::Seconds(62)), Reason::kCertificateExpired,
      "its certificate ended at 2026-01-02T03:05:05Z, our clock says 2026-01-02T03:05:07Z",
      SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_F(VerifyPeerTest, SaysBothTimesOfACertificateFromTheFuture) {
  const Credential leaf = ca_.Leaf({.uri_sans = {kId}, .not_before = kNow + absl::Minutes(1)});
  ExpectRefused(
      Verify({leaf}), Reason::kCertificateNotYetValid,
      "its certificate begins at 2026-01-02T03:05:05Z, our clock says 2026-01-02T03:04:05Z",
      SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_F(VerifyPeerTest, NamesTheIssuerThatHasExpired) {
  CertificateOptions options = test::CaCertificate("old issuer");
  options.not_after = kNow - absl::Seconds(1);
  const Credential issuer = ca_.SignedBy(ca_.root(), options);
  ExpectRefused(Verify({ca_.SignedBy(issuer, {.uri_sans = {kId}}), issuer}),
                Reason::kCertificateExpired, "the certificate of its issuer \"CN=old issuer\"",
                SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_F(VerifyPeerTest, RefusesARootThatHasExpired) {
  CertificateOptions options = test::CaCertificate("old root");
  options.not_after = kNow - absl::Seconds(1);
  const Credential root = ca_.SelfSigned(options);
  TrustOnly(root.certificate_pem);
  ExpectRefused(Verify({ca_.SignedBy(root, {.uri_sans = {kId}})}), Reason::kCertificateExpired,
                "\"CN=old root\"", SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_F(VerifyPeerTest, SaysWhichRootIsMissing) {
  const TemporaryCa other({.now = kNow, .name = "another mesh"});
  const PeerVerdict verdict = Verify({other.Leaf(kId)});
  ExpectRefused(verdict, Reason::kUnknownRoot, "another mesh", SSL_AD_UNKNOWN_CA);
  EXPECT_THAT(std::string(verdict.status.message()), HasSubstr("key id "));
  // Sending the root along changes nothing.
  ExpectRefused(Verify({other.Leaf(kId), other.root()}), Reason::kUnknownRoot, "another mesh",
                SSL_AD_UNKNOWN_CA);
}

TEST_F(VerifyPeerTest, RefusesASelfSignedLeaf) {
  ExpectRefused(Verify({ca_.SelfSigned({.uri_sans = {kId}, .common_name = "myself"})}),
                Reason::kUnknownRoot, "CN=myself", SSL_AD_UNKNOWN_CA);
}

TEST_F(VerifyPeerTest, TakesRootsOfThePeersOwnTrustDomainOnly) {
  const TemporaryCa theirs({.now = kNow, .name = "theirs"});
  auto bundle = TrustBundle::Create(
      {{"cluster.local", ca_.root_pem()}, {"other.example", theirs.root_pem()}});
  ASSERT_TRUE(bundle.ok());
  bundle_ = *bundle;
  EXPECT_TRUE(Verify({theirs.Leaf("spiffe://other.example/ns/a/sa/b")}).status.ok());
  // Each signs for the other's domain.
  ExpectRefused(Verify({theirs.Leaf(kId)}), Reason::kUnknownRoot, "theirs", SSL_AD_UNKNOWN_CA);
  ExpectRefused(Verify({ca_.Leaf("spiffe://other.example/ns/a/sa/b")}), Reason::kUnknownRoot,
                "ours", SSL_AD_UNKNOWN_CA);
}

TEST_F(VerifyPeerTest, RefusesATrustDomainWithoutRoots) {
  ExpectRefused(Verify({ca_.Leaf("spiffe://other.example/ns/a/sa/b")}), Reason::kForeignTrustDomain,
                "no root of other.example", SSL_AD_UNKNOWN_CA);
}

TEST_F(VerifyPeerTest, FollowsIntermediatesInAnyOrder) {
  const Credential one = ca_.SignedBy(ca_.root(), test::CaCertificate("one"));
  const Credential two = ca_.SignedBy(one, test::CaCertificate("two"));
  const Credential leaf = ca_.SignedBy(two, {.uri_sans = {kId}});
  EXPECT_TRUE(Verify({leaf, two, one}).status.ok());
  EXPECT_TRUE(Verify({leaf, one, two}).status.ok());
  EXPECT_TRUE(Verify({leaf, one, ca_.root(), two}).status.ok());
  ExpectRefused(Verify({leaf, one}), Reason::kUnknownRoot, "CN=two", SSL_AD_UNKNOWN_CA);
}

TEST_F(VerifyPeerTest, TakesAnIntermediateInTheBundleAsAnAnchor) {
  const Credential one = ca_.SignedBy(ca_.root(), test::CaCertificate("one"));
  const Credential leaf = ca_.SignedBy(one, {.uri_sans = {kId}});
  TrustOnly(one.certificate_pem);
  EXPECT_TRUE(Verify({leaf}).status.ok());
  EXPECT_TRUE(Verify({leaf, one}).status.ok());
  EXPECT_TRUE(Verify({leaf, one, ca_.root()}).status.ok());
  // Its own issuer is not trusted by that.
  EXPECT_FALSE(Verify({ca_.Leaf(kId), ca_.root()}).status.ok());
}

TEST_F(VerifyPeerTest, EndsWithTheFirstOfTheChain) {
  CertificateOptions options = test::CaCertificate("short");
  options.not_after = kNow + absl::Minutes(5);
  const Credential issuer = ca_.SignedBy(ca_.root(), options);
  const PeerVerdict verdict = Verify({ca_.SignedBy(issuer, {.uri_sans = {kId}}), issuer});
  ASSERT_TRUE(verdict.status.ok());
  EXPECT_EQ(verdict.peer->not_after, kNow + absl::Minutes(5));
}

TEST_F(VerifyPeerTest, RefusesAnIssuerThatIsNoCa) {
  const Credential workload = ca_.Leaf({.uri_sans = {kId}, .common_name = "workload"});
  const PeerVerdict verdict = Verify({ca_.SignedBy(workload, {.uri_sans = {kId}}), workload});
  EXPECT_FALSE(verdict.status.ok());
  EXPECT_FALSE(verdict.peer.has_value());
  CertificateOptions pretender = test::CaCertificate("pretender");
  pretender.ca = false;
  const Credential issuer = ca_.SignedBy(ca_.root(), pretender);
  ExpectRefused(Verify({ca_.SignedBy(issuer, {.uri_sans = {kId}}), issuer}),
                Reason::kCertificatePurpose, "invalid CA certificate",
                SSL_AD_UNSUPPORTED_CERTIFICATE);
}

TEST_F(VerifyPeerTest, KeepsToPathLengths) {
  CertificateOptions last = test::CaCertificate("last");
  last.path_length = 0;
  const Credential one = ca_.SignedBy(ca_.root(), last);
  EXPECT_TRUE(Verify({ca_.SignedBy(one, {.uri_sans = {kId}}), one}).status.ok());
  const Credential two = ca_.SignedBy(one, test::CaCertificate("two"));
  ExpectRefused(Verify({ca_.SignedBy(two, {.uri_sans = {kId}}), two, one}),
                Reason::kCertificatePurpose, "path length", SSL_AD_UNSUPPORTED_CERTIFICATE);
}

TEST_F(VerifyPeerTest, BoundsTheDepthAndTheLengthOfAChain) {
  std::vector<Credential> issuers = {ca_.root()};
  for (int i = 0; i < 9; ++i) {
    issuers.push_back(ca_.SignedBy(issuers.back(), test::CaCertificate("ca " + std::to_string(i))));
  }
  const auto with = [&](int intermediates) {
    const auto first = issuers.begin() + 1;
    std::vector<Credential> chain = {
        ca_.SignedBy(issuers[static_cast<size_t>(intermediates)], {.uri_sans = {kId}})};
    chain.insert(chain.end(), first, first + intermediates);
    return Verify(chain);
  };
  EXPECT_TRUE(with(5).status.ok());
  EXPECT_EQ(with(6).reason, Reason::kChainTooLong);
  EXPECT_EQ(with(9).reason, Reason::kChainTooLong);
  std::vector<Credential> eleven(11, ca_.Leaf(kId));
  ExpectRefused(Verify(eleven), Reason::kBadCertificate, "it sent 11 certificates",
                SSL_AD_BAD_CERTIFICATE);
  ExpectRefused(Verify({}), Reason::kBadCertificate, "it sent 0 certificates",
                SSL_AD_BAD_CERTIFICATE);
}

TEST_F(VerifyPeerTest, RefusesAWrongSignature) {
  ExpectLeafRefused({.uri_sans = {kId}, .corrupt_signature = true}, Reason::kBadCertificate,
                    "the signature on its certificate is wrong", SSL_AD_BAD_CERTIFICATE);
}

TEST_F(VerifyPeerTest, RefusesMalformedBytes) {
  Credential cut = ca_.Leaf(kId);
  cut.certificate_der.pop_back();
  ExpectRefused(Verify({cut}), Reason::kBadCertificate, "certificate 1 is malformed",
                SSL_AD_BAD_CERTIFICATE);
  Credential longer = ca_.Leaf(kId);
  longer.certificate_der.push_back('\0');
  ExpectRefused(Verify({ca_.Leaf(kId), longer}), Reason::kBadCertificate,
                "certificate 2 is malformed", SSL_AD_BAD_CERTIFICATE);
}

TEST_F(VerifyPeerTest, RefusesACriticalExtensionItDoesNotKnow) {
  ExpectLeafRefused({.uri_sans = {kId}, .unknown_critical_extension = true},
                    Reason::kBadCertificate, "unhandled critical extension",
                    SSL_AD_BAD_CERTIFICATE);
}

TEST_F(VerifyPeerTest, RefusesAWeakIssuer) {
  CertificateOptions weak = test::CaCertificate("weak");
  weak.key_type = test::KeyType::kRsa1024;
  const Credential issuer = ca_.SignedBy(ca_.root(), weak);
  ExpectRefused(Verify({ca_.SignedBy(issuer, {.uri_sans = {kId}}), issuer}), Reason::kWeakKey,
                "the certificate of its issuer \"CN=weak\": its RSA key has 1024 bits",
                SSL_AD_BAD_CERTIFICATE);
}

TEST_F(VerifyPeerTest, EscapesAPeersNames) {
  // A self-made name is in the log before anybody vouches for it.
  const Credential leaf = ca_.SelfSigned({.uri_sans = {kId},
                                          .common_name = "a\n\"b\" \x01"
                                                         "c"});
  EXPECT_THAT(std::string(Verify({leaf}).status.message()), HasSubstr("a\\0A\\\"b\\\" \\01c"));
}

TEST_F(VerifyPeerTest, RequiresOneOfTheExpectedIdentities) {
  const auto other = *base::SpiffeId::Parse("spiffe://cluster.local/ns/shop/sa/other");
  const auto backend = *base::SpiffeId::Parse(kId);
  PeerVerdict verdict = Verify({ca_.Leaf(kId)}, PeerRole::kServer);
  RequireIdentity({other, backend}, verdict);
  EXPECT_TRUE(verdict.status.ok());
  RequireIdentity({other}, verdict);
  EXPECT_EQ(verdict.reason, Reason::kWrongSan);
  EXPECT_EQ(verdict.alert, SSL_AD_BAD_CERTIFICATE);
  EXPECT_THAT(std::string(verdict.status.message()),
              HasSubstr("expected spiffe://cluster.local/ns/shop/sa/other, got "
                        "spiffe://cluster.local/ns/shop/sa/backend"));
  ASSERT_TRUE(verdict.peer.has_value());  // For the log.
}

TEST_F(VerifyPeerTest, ExpectsNobodyWhenNoIdentityIsGiven) {
  PeerVerdict verdict = Verify({ca_.Leaf(kId)}, PeerRole::kServer);
  RequireIdentity({}, verdict);
  EXPECT_EQ(verdict.reason, Reason::kWrongSan);
}

}  // namespace
}  // namespace kith::tls
