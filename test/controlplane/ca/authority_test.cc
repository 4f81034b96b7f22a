#include "source/controlplane/ca/authority.h"

#include <gmock/gmock.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>

#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "test/controlplane/ca/certificate_reader.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AuthorityTest : public CaFixture {
 protected:
  const base::SpiffeId id_ = *base::SpiffeId::Parse("spiffe://cluster.local/ns/demo/sa/frontend");
  const std::string key_pem_ = test::MakeKeyPem();
  const std::string csr_ = test::MakeRequestPem({.key_pem = key_pem_});
};

TEST_F(AuthorityTest, IssuesAnX509Svid) {
  auto authority = MakeAuthority();
  ASSERT_NE(authority, nullptr);
  auto issued = authority->IssueLeaf(id_, csr_, absl::Hours(1), {});
  ASSERT_TRUE(issued.ok()) << issued.status();
  CertificateText leaf = Read(issued->chain_pem[0]);
  EXPECT_EQ(leaf.version, 3);
  EXPECT_THAT(leaf.uris, ElementsAre("spiffe://cluster.local/ns/demo/sa/frontend"));
  EXPECT_THAT(leaf.dns_names, IsEmpty());
  EXPECT_EQ(leaf.subject, "");
  EXPECT_TRUE(leaf.san_critical);
  EXPECT_TRUE(leaf.basic_constraints);
  EXPECT_TRUE(leaf.basic_constraints_critical);
  EXPECT_FALSE(leaf.ca);
  EXPECT_EQ(leaf.key_usage, static_cast<uint32_t>(KU_DIGITAL_SIGNATURE));
  EXPECT_TRUE(leaf.key_usage_critical);
  EXPECT_THAT(leaf.extended_key_usage, ElementsAre(NID_server_auth, NID_client_auth));
  EXPECT_EQ(leaf.subject_key_id.size(), 20u);
  EXPECT_EQ(leaf.authority_key_id, Read(authority->trust_bundle_pem()).subject_key_id);
  EXPECT_TRUE(IsKeyOf(key_pem_, issued->chain_pem[0]));
  EXPECT_EQ(issued->key_type, "P-256");
}

TEST_F(AuthorityTest, AnswersWithTheLeafFirstAndTheRootsLast) {
  auto authority = MakeAuthority();
  auto issued = authority->IssueLeaf(id_, csr_, absl::Hours(1), {});
  ASSERT_TRUE(issued.ok());
  ASSERT_EQ(issued->chain_pem.size(), 2u);
  EXPECT_EQ(issued->chain_pem[1], authority->trust_bundle_pem());
  for (Role role : {Role::kServer, Role::kClient}) {
    EXPECT_EQ(VerifyChain(issued->chain_pem[0], issued->chain_pem[1], clock_.Now(), role), "ok");
  }
}

TEST_F(AuthorityTest, UsesNothingOfTheRequestButItsKey) {
  auto authority = MakeAuthority();
  auto issued = authority->IssueLeaf(
      id_,
      test::MakeRequestPem({.key_pem = key_pem_,
                            .uri_sans = {"spiffe://cluster.local/ns/kube-system/sa/admin"},
                            .dns_sans = {"bank.example"},
                            .common_name = "root",
                            .ask_for_ca = true}),
      absl::Hours(1), {});
  ASSERT_TRUE(issued.ok()) << issued.status();
  CertificateText leaf = Read(issued->chain_pem[0]);
  EXPECT_THAT(leaf.uris, ElementsAre(id_.text()));
  EXPECT_THAT(leaf.dns_names, IsEmpty());
  EXPECT_EQ(leaf.subject, "");
  EXPECT_FALSE(leaf.ca);
  EXPECT_EQ(leaf.key_usage, static_cast<uint32_t>(KU_DIGITAL_SIGNATURE));
}

TEST_F(AuthorityTest, BoundsLifetimes) {
  AuthorityOptions options = Options();
  options.default_leaf_lifetime = absl::Minutes(30);
  options.min_leaf_lifetime = absl::Seconds(2);
  options.max_leaf_lifetime = absl::Hours(2);
  auto authority = MakeAuthority(options);
  struct {
    absl::Duration asked;
    absl::Duration given;
  } cases[] = {{absl::ZeroDuration(), absl::Minutes(30)},
               {absl::Seconds(2), absl::Seconds(2)},
               {absl::Hours(2), absl::Hours(2)},
               {absl::Hours(3), absl::Hours(2)},
               {absl::InfiniteDuration(), absl::Hours(2)}};
  for (const auto& one : cases) {
    auto issued = authority->IssueLeaf(id_, csr_, one.asked, {});
    ASSERT_TRUE(issued.ok()) << one.asked << issued.status();
    EXPECT_EQ(issued->not_before, clock_.Now() - absl::Minutes(2));
    EXPECT_EQ(issued->not_after, clock_.Now() + one.given);
    // What it says is what the certificate says. BoringSSL counts the last second as over.
    auto verdict = [&](absl::Time at) {
      return VerifyChain(issued->chain_pem[0], issued->chain_pem[1], at, Role::kClient);
    };
    EXPECT_EQ(verdict(issued->not_after - absl::Seconds(1)), "ok");
    EXPECT_EQ(verdict(issued->not_after), "certificate has expired");
    EXPECT_EQ(verdict(issued->not_before - absl::Seconds(1)), "certificate is not yet valid");
  }
  for (absl::Duration asked : {absl::Seconds(1), -absl::Hours(1)}) {
    auto refused = authority->IssueLeaf(id_, csr_, asked, {});
    EXPECT_EQ(RefusalOf(refused.status()), Refusal::kRequestLifetime) << asked;
    EXPECT_THAT(refused.status().message(), HasSubstr("at least 2s"));
  }
}

TEST_F(AuthorityTest, GivesShortLifetimesInFullWithinTheMaximum) {
  AuthorityOptions options = Options();
  options.max_leaf_lifetime = absl::Minutes(1);
  options.default_leaf_lifetime = absl::Minutes(1);
  auto authority = MakeAuthority(options);
  const absl::Time second = clock_.Now();
  clock_.Advance(absl::Milliseconds(900));
  auto issued = authority->IssueLeaf(id_, csr_, absl::Seconds(1), {});
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(issued->not_after, second + absl::Seconds(2));
  issued = authority->IssueLeaf(id_, csr_, absl::Minutes(1), {});
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(issued->not_after, second + absl::Minutes(1));
}

TEST_F(AuthorityTest, NeverOutlivesItsIssuer) {
  AuthorityOptions options = Options();
  options.root_lifetime = absl::Hours(36);
  auto authority = MakeAuthority(options);
  clock_.Advance(absl::Hours(30));
  auto issued = authority->IssueLeaf(id_, csr_, absl::Hours(24), {});
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->not_after, authority->issuer_not_after());
  clock_.Advance(absl::Hours(6));
  auto refused = authority->IssueLeaf(id_, csr_, absl::Hours(24), {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(RefusalOf(refused.status()), Refusal::kIssuerExpired);
}

TEST_F(AuthorityTest, BackdatesNoFurtherThanItsIssuer) {
  test::TemporaryCa ca({.now = clock_.Now()});
  test::CertificateOptions young = test::CaCertificate("young");
  young.not_before = clock_.Now() - absl::Seconds(30);
  test::Credential signer = ca.SignedBy(ca.root(), young);
  AuthorityOptions options = Options();
  options.certificate_file = directory_.Write("cert.pem", signer.certificate_pem);
  options.key_file = directory_.Write("key.pem", signer.key_pem);
  options.root_file = directory_.Write("root.pem", ca.root_pem());
  auto authority = MakeAuthority(options);
  ASSERT_NE(authority, nullptr);
  auto issued = authority->IssueLeaf(id_, csr_, absl::Hours(1), {});
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(issued->not_before, clock_.Now() - absl::Seconds(30));
}

TEST_F(AuthorityTest, GivesPositiveSerialsThatNeverRepeat) {
  auto authority = MakeAuthority();
  std::set<std::string> serials;
  for (int i = 0; i < 2000; i++) {
    auto issued = authority->IssueLeaf(id_, csr_, absl::Hours(1), {});
    ASSERT_TRUE(issued.ok());
    EXPECT_TRUE(serials.insert(issued->serial).second);
    EXPECT_EQ(issued->serial.size(), 32u);
    // DER: a set top bit would mean a negative number; 20 bytes are the most (RFC 5280 §4.1.2.2).
    std::string der = Read(issued->chain_pem[0]).serial_der;
    ASSERT_GE(der.size(), 18u);
    EXPECT_EQ(der[2] & 0x80, 0);
    EXPECT_LE(der.size(), 22u);
  }
}

TEST_F(AuthorityTest, RecordsEveryDecision) {
  auto authority = MakeAuthority();
  auto issued = authority->IssueLeaf(id_, csr_, absl::Hours(1),
                                     {.caller = "demo/frontend", .token_id = "j", .peer = "p"});
  ASSERT_TRUE(issued.ok());
  EXPECT_FALSE(authority->IssueLeaf(id_, "garbage", absl::Hours(1), {.caller = "demo/x"}).ok());
  auto lines = AuditLines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["decision"], "issued");
  EXPECT_EQ(lines[0]["serial"], issued->serial);
  EXPECT_EQ(lines[0]["spiffe_id"], id_.text());
  EXPECT_EQ(lines[0]["caller"], "demo/frontend");
  EXPECT_EQ(lines[0]["token_id"], "j");
  EXPECT_EQ(lines[0]["peer"], "p");
  EXPECT_EQ(lines[0]["key_type"], "P-256");
  EXPECT_EQ(lines[1]["decision"], "refused");
  EXPECT_EQ(lines[1]["reason"], "request_malformed");
}

TEST_F(AuthorityTest, IssuesNothingThatItCannotRecord) {
  auto authority = MakeAuthority();
  // The first has how long leaves live written down, which is not what is looked at here.
  ASSERT_TRUE(authority->IssueLeaf(id_, csr_, absl::Hours(1), {}).ok());
  ASSERT_EQ(AuditLines().size(), 1u);
  {
    FullDisk full(1);
    auto leaf = authority->IssueLeaf(id_, csr_, absl::Hours(1), {});
    ASSERT_TRUE(leaf.ok());
    const absl::Status recorded = Flush(leaf->audit_line);
    EXPECT_EQ(recorded.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(RefusalOf(recorded), Refusal::kAuditUnavailable);
    EXPECT_EQ(
        RefusalOf(
            authority->IssueServer({"a"}, absl::Hours(1), x509::CertificateKind::kServer).status()),
        Refusal::kAuditUnavailable);
  }
  EXPECT_EQ(AuditLines().size(), 1u);
  EXPECT_TRUE(authority->IssueLeaf(id_, csr_, absl::Hours(1), {}).ok());
}

TEST_F(AuthorityTest, IssuesFromManyThreadsAtOnce) {
  auto authority = MakeAuthority();
  std::vector<std::thread> threads;
  std::vector<std::vector<std::string>> serials(8);
  for (auto& mine : serials) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; i++) {
        auto issued = authority->IssueLeaf(id_, csr_, absl::Hours(1), {});
        ASSERT_TRUE(issued.ok());
        mine.push_back(issued->serial);
        ASSERT_EQ(
            VerifyChain(issued->chain_pem[0], issued->chain_pem[1], clock_.Now(), Role::kServer),
            "ok");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> all;
  for (auto& mine : serials) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 400u);
  EXPECT_EQ(AuditLines().size(), 400u);
}

TEST_F(AuthorityTest, MakesItsOwnServerCertificate) {
  auto authority = MakeAuthority();
  auto server = authority->IssueServer({"kith-controlplane", "localhost"}, absl::Hours(24),
                                       x509::CertificateKind::kServer);
  ASSERT_TRUE(server.ok()) << server.status();
  CertificateText leaf = Read(server->chain_pem);
  EXPECT_THAT(leaf.uris,
              ElementsAre("spiffe://cluster.local/ns/istio-system/sa/kith-controlplane"));
  EXPECT_THAT(leaf.dns_names, ElementsAre("kith-controlplane", "localhost"));
  EXPECT_THAT(leaf.extended_key_usage, ElementsAre(NID_server_auth));
  EXPECT_TRUE(IsKeyOf(server->key_pem, server->chain_pem));
  EXPECT_EQ(
      VerifyChain(server->chain_pem, authority->trust_bundle_pem(), clock_.Now(), Role::kServer),
      "ok");
  EXPECT_NE(
      VerifyChain(server->chain_pem, authority->trust_bundle_pem(), clock_.Now(), Role::kClient),
      "ok");
  EXPECT_EQ(AuditLines().back()["event"], "server_certificate");
  EXPECT_EQ(AuditLines().back()["serial"], server->serial);
  EXPECT_THAT(authority->IssueServer({"*.example"}, absl::Hours(1), x509::CertificateKind::kServer)
                  .status()
                  .message(),
              HasSubstr("server_names"));
}

}  // namespace
}  // namespace kith::controlplane
