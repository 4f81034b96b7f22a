#include "source/tls/verified_peers.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "test/support/temporary_crl.h"
#include "test/tls/verify_peer_fixture.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::Credential;

class VerifiedPeersTest : public VerifyPeerTest {
 protected:
  VerifiedPeersTest() : leaf_(ca_.Leaf({.uri_sans = {kId}, .not_after = kNow + absl::Hours(1)})) {}

  PeerVerdict Ask(const std::vector<Credential>& chain, absl::Time now = kNow,
                  PeerRole role = PeerRole::kClient, const PeerRules& rules = {}) {
    return peers_.Verify(Sent(chain).buffers, role, bundle_, now, rules);
  }

  const Credential leaf_;
  VerifiedPeers peers_;
};

TEST_F(VerifiedPeersTest, SaysTheSameOfAPeerThatItKnows) {
  const PeerVerdict first = Ask({leaf_});
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_EQ(peers_.size(), 1u);
  const PeerVerdict again = Ask({leaf_}, kNow + absl::Minutes(1));
  ASSERT_TRUE(again.status.ok());
  EXPECT_EQ(again.reason, Reason::kNone);
  EXPECT_EQ(again.peer->id.text(), kId);
  EXPECT_EQ(again.peer->leaf.sha256, first.peer->leaf.sha256);
  EXPECT_EQ(again.peer->not_after, first.peer->not_after);
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(VerifiedPeersTest, RefusesAKnownPeerOnceItsCertificateHasEnded) {
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  EXPECT_EQ(Ask({leaf_}, kNow + absl::Hours(2)).reason, Reason::kCertificateExpired);
  EXPECT_EQ(peers_.size(), 0u);
}

TEST_F(VerifiedPeersTest, RefusesAKnownPeerWhenTheClockIsBeforeItsBeginning) {
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  EXPECT_EQ(Ask({leaf_}, kNow - absl::Hours(24 * 365)).reason, Reason::kCertificateNotYetValid);
}

TEST_F(VerifiedPeersTest, ForgetsEverybodyWithTheBundleThatSpokeForThem) {
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  const test::TemporaryCa other({.now = kNow, .name = "other"});
  TrustOnly(other.root_pem());
  const PeerVerdict verdict = Ask({leaf_});
  EXPECT_FALSE(verdict.status.ok());
  EXPECT_FALSE(verdict.peer.has_value());
  EXPECT_EQ(peers_.size(), 0u);
}

TEST_F(VerifiedPeersTest, RefusesAKnownPeerThatIsRevokedSince) {
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  test::CrlOptions list;
  list.revoked = {leaf_};
  list.now = kNow;
  auto bundle = TrustBundle::Create({{.trust_domain = "cluster.local",
                                      .roots_pem = ca_.root_pem(),
                                      .crls = {test::MakeCrl(ca_.root(), list)}}});
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  bundle_ = *bundle;
  EXPECT_EQ(Ask({leaf_}).reason, Reason::kCertificateRevoked);
  EXPECT_EQ(Ask({leaf_}).reason, Reason::kCertificateRevoked) << "and again";
}

TEST_F(VerifiedPeersTest, VerifiesAnewUnderOtherRules) {
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  PeerRules rules;
  PinSet pins;
  pins.certificates = {PinSet::Digest{}};
  rules.pins = {pins};
  EXPECT_EQ(Ask({leaf_}, kNow, PeerRole::kClient, rules).reason, Reason::kPinMismatch);
  EXPECT_TRUE(Ask({leaf_}).status.ok());
}

TEST_F(VerifiedPeersTest, RemembersNobodyWhereRevocationIsHard) {
  PeerRules hard;
  hard.revocation = RevocationMode::kHard;
  EXPECT_EQ(Ask({leaf_}, kNow, PeerRole::kClient, hard).reason, Reason::kRevocationUnknown);
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  EXPECT_EQ(Ask({leaf_}, kNow, PeerRole::kClient, hard).reason, Reason::kRevocationUnknown);
}

TEST_F(VerifiedPeersTest, KnowsAPeerOnlyInItsRole) {
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  ASSERT_TRUE(Ask({leaf_}, kNow, PeerRole::kServer).status.ok());
  EXPECT_EQ(peers_.size(), 2u);
}

TEST_F(VerifiedPeersTest, KnowsALeafOnlyWithTheChainItCameWith) {
  const test::TemporaryCa deep({.now = kNow, .intermediate = true, .name = "deep"});
  TrustOnly(deep.root_pem());
  const Credential leaf = deep.Leaf({.uri_sans = {kId}});
  ASSERT_TRUE(Ask({leaf, deep.issuer()}).status.ok());
  EXPECT_EQ(peers_.size(), 1u);
  EXPECT_EQ(Ask({leaf}).reason, Reason::kUnknownRoot);
  EXPECT_TRUE(Ask({leaf, deep.issuer()}).status.ok());
}

TEST_F(VerifiedPeersTest, RemembersNobodyWhileABreakGlassLasts) {
  PeerRules forgiving;
  forgiving.ended_since = kNow;
  const absl::Time ended = kNow + absl::Hours(2);
  EXPECT_TRUE(Ask({leaf_}, ended, PeerRole::kClient, forgiving).status.ok());
  EXPECT_EQ(peers_.size(), 0u);
  EXPECT_EQ(Ask({leaf_}, ended).reason, Reason::kCertificateExpired);
}

TEST_F(VerifiedPeersTest, RemembersNoPeerThatItRefused) {
  Credential forged = leaf_;
  forged.certificate_der.back() = static_cast<char>(forged.certificate_der.back() ^ 1);
  EXPECT_FALSE(Ask({forged}).status.ok());
  EXPECT_FALSE(Ask({}).status.ok());
  EXPECT_EQ(peers_.size(), 0u);
}

TEST_F(VerifiedPeersTest, RemembersNoChainOfAbsurdSize) {
  test::CertificateOptions options{.uri_sans = {kId}};
  for (int i = 0; i < 300; ++i) {
    options.dns_sans.push_back(absl::StrCat("a-rather-long-name-of-a-service-", i, ".example.com"));
  }
  const Credential large = ca_.Leaf(options);
  ASSERT_GT(large.certificate_der.size(), VerifiedPeers::kLongestChain);
  ASSERT_TRUE(Ask({large}).status.ok());
  EXPECT_EQ(peers_.size(), 0u);
}

TEST_F(VerifiedPeersTest, IsNotDeceivedByAnotherCertificateOfTheSameName) {
  ASSERT_TRUE(Ask({leaf_}).status.ok());
  Credential forged = leaf_;
  forged.certificate_der.back() = static_cast<char>(forged.certificate_der.back() ^ 1);
  EXPECT_FALSE(Ask({forged}).status.ok());
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(VerifiedPeersTest, HoldsABoundedNumber) {
  for (size_t i = 0; i < VerifiedPeers::kMost + 10; ++i) {
    const std::string id = absl::StrCat("spiffe://cluster.local/ns/shop/sa/s", i);
    ASSERT_TRUE(Ask({ca_.Leaf({.uri_sans = {id}})}).status.ok());
    ASSERT_LE(peers_.size(), VerifiedPeers::kMost);
  }
}

}  // namespace
}  // namespace kith::tls
