// What the authority makes, finds and is brought at start, good and bad.
#include "source/controlplane/ca/signer.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "test/controlplane/ca/certificate_reader.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SignerTest : public CaFixture {
 protected:
  std::string ErrorOf(AuthorityOptions options) {
    return std::string(CertificateAuthority::Create(std::move(options)).status().message());
  }
  AuthorityOptions Brought(const std::string& certificate, const std::string& key,
                           const std::string& root) {
    AuthorityOptions options = Options();
    options.certificate_file = directory_.Write("ca/cert.pem", certificate);
    options.key_file = directory_.Write("ca/key.pem", key);
    options.root_file = directory_.Write("ca/root.pem", root);
    return options;
  }
  std::string LeafFrom(const CertificateAuthority& authority, absl::Duration lifetime) {
    auto issued = authority.IssueLeaf(*base::SpiffeId::Parse("spiffe://cluster.local/ns/a/sa/b"),
                                      test::MakeRequestPem({}), lifetime, {});
    EXPECT_TRUE(issued.ok()) << issued.status();
    if (!issued.ok()) return "";
    std::string chain;
    for (size_t i = 0; i + 1 < issued->chain_pem.size(); i++) chain += issued->chain_pem[i];
    return chain;
  }
  std::string Verdict(const CertificateAuthority& authority) {
    return VerifyChain(LeafFrom(authority, absl::Hours(1)), authority.trust_bundle_pem(),
                       clock_.Now(), Role::kClient);
  }

  test::TemporaryCa ca_{{.now = clock_.Now()}};
  test::TemporaryCa ca_with_intermediate_{{.now = clock_.Now(), .intermediate = true}};
};

TEST_F(SignerTest, MakesARootAtTheFirstStart) {
  auto authority = MakeAuthority();
  ASSERT_NE(authority, nullptr);
  CertificateText root = Read(authority->trust_bundle_pem());
  EXPECT_TRUE(root.ca);
  EXPECT_EQ(root.version, 3);
  EXPECT_THAT(root.subject, HasSubstr("O=cluster.local"));
  EXPECT_THAT(root.uris, ElementsAre("spiffe://cluster.local"));
  EXPECT_EQ(directory_.Read("state/root-cert.pem"), authority->trust_bundle_pem());
  struct stat facts;
  ASSERT_EQ(::stat(directory_.File("state/root-key.pem").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(directory_.File("state/root-cert.pem").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0644u);
  EXPECT_EQ(authority->issuer_not_after(), clock_.Now() + absl::Hours(24 * 3650));
  ASSERT_EQ(authority->roots().size(), 1u);
  EXPECT_EQ(authority->roots()[0].serial, authority->signer().serial);
}

TEST_F(SignerTest, KeepsItsRootAcrossRestarts) {
  std::string before = MakeAuthority()->trust_bundle_pem();
  Close();
  clock_.Advance(absl::Hours(24 * 300));
  Open();
  auto authority = MakeAuthority();
  ASSERT_NE(authority, nullptr);
  EXPECT_EQ(authority->trust_bundle_pem(), before);
  EXPECT_EQ(Verdict(*authority), "ok");
}

TEST_F(SignerTest, GoesOnWhereACrashLeftTheKeyAlone) {
  std::string key = test::MakeKeyPem();
  directory_.Write("state/root-key.pem", key);
  directory_.Write("state/root-cert.pem.new", "half a certifi");
  auto authority = MakeAuthority();
  ASSERT_NE(authority, nullptr);
  EXPECT_TRUE(IsKeyOf(key, authority->trust_bundle_pem()));
  EXPECT_EQ(Verdict(*authority), "ok");
}

TEST_F(SignerTest, CanStartAgainWhereverItWasKilled) {
  auto start = [this](const std::string& path) -> absl::Status {
    auto state = StateDirectory::Open(path);
    if (!state.ok()) return state.status();
    return LoadOrCreateRoot(**state, x509::KeyType::kP256, "cluster.local", absl::Hours(48),
                            absl::Minutes(2), clock_.Now())
        .status();
  };
  // The files in the order they come into being, each a moment to be killed at.
  for (const char* moment :
       {"root-key.pem.new", "root-key.pem", "root-cert.pem.new", "root-cert.pem"}) {
    const std::string base = directory_.File(absl::StrCat("at-", moment, "-"));
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int i = 0;; i++) start(absl::StrCat(base, i)).IgnoreError();
    }
    // A file that lives shortly may be missed; then the next directory's beginning is the moment.
    while (!std::filesystem::exists(absl::StrCat(base, 3, "/", moment)) &&
           !std::filesystem::exists(absl::StrCat(base, 4))) {
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (int i = 0; i < 5; i++) EXPECT_EQ(start(absl::StrCat(base, i)), absl::OkStatus()) << moment;
  }
}

TEST_F(SignerTest, SaysWhatToDoAboutBrokenState) {
  MakeAuthority();
  const std::string key = directory_.Read("state/root-key.pem");
  const std::string certificate = directory_.Read("state/root-cert.pem");

  std::filesystem::remove(directory_.File("state/root-key.pem"));
  EXPECT_THAT(ErrorOf(Options()), AllOf(HasSubstr("root-key.pem: missing"), HasSubstr("backup")));
  directory_.Write("state/root-key.pem", key.substr(0, 60));
  EXPECT_THAT(ErrorOf(Options()), AllOf(HasSubstr("root-key.pem: "), HasSubstr("backup")));
  directory_.Write("state/root-key.pem", test::MakeKeyPem());
  EXPECT_THAT(ErrorOf(Options()), HasSubstr("does not belong to the key"));
  directory_.Write("state/root-key.pem", key);
  directory_.Write("state/root-cert.pem", certificate.substr(0, 200));
  EXPECT_THAT(ErrorOf(Options()), AllOf(HasSubstr("root-cert.pem: "), HasSubstr("backup")));
  directory_.Write("state/root-cert.pem", certificate + certificate);
  EXPECT_THAT(ErrorOf(Options()), HasSubstr("ca.certificate_file"));
  // None of this has replaced what was there, and one line is all that each takes.
  EXPECT_EQ(directory_.Read("state/root-key.pem"), key);
  EXPECT_EQ(ErrorOf(Options()).find('\n'), std::string::npos);
  directory_.Write("state/root-cert.pem", certificate);
  EXPECT_NE(MakeAuthority(), nullptr);
}

TEST_F(SignerTest, RefusesToStartOnARootThatHasEnded) {
  AuthorityOptions options = Options();
  options.root_lifetime = absl::Hours(48);
  MakeAuthority(options);
  clock_.Advance(absl::Hours(49));
  EXPECT_THAT(ErrorOf(options), AllOf(HasSubstr("root-cert.pem"), HasSubstr("ended on")));
}

TEST_F(SignerTest, SignsWithTheUsersRoot) {
  auto authority =
      MakeAuthority(Brought(ca_.root().certificate_pem, ca_.root().key_pem, ca_.root_pem()));
  ASSERT_NE(authority, nullptr);
  EXPECT_EQ(Verdict(*authority), "ok");
  EXPECT_EQ(ReadCertificates(LeafFrom(*authority, absl::Hours(1))).size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(directory_.File("state/root-key.pem")));
}

TEST_F(SignerTest, SignsWithTheUsersIntermediate) {
  const test::TemporaryCa& ca = ca_with_intermediate_;
  // With and without the root at the end of the file, and with a second root in the bundle.
  for (const std::string& file : {ca.issuer().chain_pem, ca.issuer().chain_pem + ca.root_pem()}) {
    auto authority =
        MakeAuthority(Brought(file, ca.issuer().key_pem, ca_.root_pem() + ca.root_pem()));
    ASSERT_NE(authority, nullptr);
    auto issued = authority->IssueLeaf(*base::SpiffeId::Parse("spiffe://cluster.local/ns/a/sa/b"),
                                       test::MakeRequestPem({}), absl::Hours(1), {});
    ASSERT_TRUE(issued.ok());
    ASSERT_EQ(issued->chain_pem.size(), 3u);
    EXPECT_EQ(ReadCertificates(issued->chain_pem[1]).size(), 1u);
    EXPECT_EQ(ReadCertificates(issued->chain_pem[2]).size(), 2u);
    EXPECT_EQ(Verdict(*authority), "ok");
    EXPECT_EQ(authority->roots().size(), 2u);
    // The intermediate ends before its root.
    EXPECT_EQ(authority->issuer_not_after(), clock_.Now() + absl::Hours(24 * 365));
  }
}

TEST_F(SignerTest, SignsWithKeysOfOtherKinds) {
  for (test::KeyType type :
       {test::KeyType::kP384, test::KeyType::kRsa2048, test::KeyType::kEd25519}) {
    test::TemporaryCa ca({.now = clock_.Now(), .intermediate = true, .key_type = type});
    auto authority =
        MakeAuthority(Brought(ca.issuer().chain_pem, ca.issuer().key_pem, ca.root_pem()));
    ASSERT_NE(authority, nullptr);
    EXPECT_EQ(Verdict(*authority), "ok") << static_cast<int>(type);
  }
}

TEST_F(SignerTest, SaysWhatIsWrongWithTheUsersFiles) {
  const test::TemporaryCa& ca = ca_with_intermediate_;
  const test::Credential& good = ca.issuer();
  auto issuer = [&](auto change) {
    test::CertificateOptions options = test::CaCertificate("changed");
    change(options);
    return ca.SignedBy(ca.root(), options);
  };
  auto error = [&](const test::Credential& made) {
    return ErrorOf(Brought(made.certificate_pem, made.key_pem, ca.root_pem()));
  };

  EXPECT_THAT(ErrorOf(Brought(good.chain_pem, test::MakeKeyPem(), ca.root_pem())),
              AllOf(HasSubstr("ca/key.pem: is not the key"), HasSubstr("must come first")));
  EXPECT_THAT(error(issuer([](auto& o) { o.ca = false; })), HasSubstr("CA:TRUE"));
  EXPECT_THAT(error(issuer([](auto& o) { o.key_usage = {test::KeyUsage::kCrlSign}; })),
              HasSubstr("keyCertSign"));
  EXPECT_THAT(error(issuer([&](auto& o) { o.not_after = clock_.Now() - absl::Seconds(1); })),
              AllOf(HasSubstr("ca/cert.pem"), HasSubstr("ended on")));
  EXPECT_THAT(error(issuer([&](auto& o) { o.not_before = clock_.Now() + absl::Hours(1); })),
              HasSubstr("begins on"));
  EXPECT_THAT(error(issuer([](auto& o) { o.key_type = test::KeyType::kRsa1024; })),
              HasSubstr("1024 bits"));
  EXPECT_THAT(
      ErrorOf(Brought(good.chain_pem, good.key_pem, ca_.root_pem())),
      AllOf(HasSubstr("ca/cert.pem: does not lead to a root"), HasSubstr("add the missing")));
  EXPECT_THAT(ErrorOf(Brought("x", good.key_pem, ca.root_pem())),
              HasSubstr("ca/cert.pem: no certificate in PEM"));
  EXPECT_THAT(ErrorOf(Brought(good.chain_pem, "x", ca.root_pem())),
              HasSubstr("ca/key.pem: not a private key"));
  EXPECT_THAT(ErrorOf(Brought(good.chain_pem, good.key_pem, "")), HasSubstr("ca/root.pem"));
  AuthorityOptions missing = Brought(good.chain_pem, good.key_pem, ca.root_pem());
  missing.key_file = directory_.File("ca/none.pem");
  EXPECT_THAT(ErrorOf(missing), HasSubstr("ca/none.pem: No such file"));
}

TEST_F(SignerTest, NoticesAtStartThatItsLeavesWouldBeRefused) {
  const test::TemporaryCa& ca = ca_with_intermediate_;
  // Each certificate is fine alone, but the upper one allows no CA below it.
  test::CertificateOptions last = test::CaCertificate("last");
  last.path_length = 0;
  test::Credential upper = ca.SignedBy(ca.root(), last);
  test::Credential lower = ca.SignedBy(upper, test::CaCertificate("one too many"));
  EXPECT_THAT(ErrorOf(Brought(lower.chain_pem, lower.key_pem, ca.root_pem())),
              HasSubstr("path length"));
  test::CertificateOptions narrow = test::CaCertificate("code only");
  narrow.extended_key_usage = {test::ExtendedKeyUsage::kCodeSigning};
  test::Credential code = ca.SignedBy(ca.root(), narrow);
  EXPECT_THAT(ErrorOf(Brought(code.chain_pem, code.key_pem, ca.root_pem())),
              HasSubstr("would be refused"));
}

TEST_F(SignerTest, LivesWithABundleThatHoldsAnEndedRoot) {
  test::TemporaryCa old({.now = clock_.Now() - absl::Hours(24 * 4000)});
  auto authority = MakeAuthority(
      Brought(ca_.root().certificate_pem, ca_.root().key_pem, old.root_pem() + ca_.root_pem()));
  ASSERT_NE(authority, nullptr);
  EXPECT_EQ(Verdict(*authority), "ok");
}

}  // namespace
}  // namespace kith::controlplane
