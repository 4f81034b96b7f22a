#include "source/identity/file_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "test/identity/recorder.h"
#include "test/support/manual_clock.h"
#include "test/support/run_until.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::identity {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class FileSourceTest : public ::testing::Test {
 protected:
  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }

  FileSource::Options Options() {
    FileSource::Options options{.id = *base::SpiffeId::Parse(kId)};
    options.certificate_file = directory_.File("tls.crt");
    options.key_file = directory_.File("tls.key");
    options.recheck = absl::Milliseconds(20);
    options.watch = {.quiet = absl::Milliseconds(5), .longest = absl::Milliseconds(20)};
    options.clock = &clock_;
    return options;
  }
  test::Credential Leaf(absl::string_view id = kId, absl::Duration lifetime = absl::Hours(1)) {
    test::CertificateOptions options;
    options.uri_sans = {std::string(id)};
    options.not_before = clock_.Now() - absl::Minutes(2);
    options.not_after = clock_.Now() + lifetime;
    return ca_.Leaf(options);
  }
  void Write(const test::Credential& leaf) {
    directory_.Write("tls.crt", leaf.chain_pem);
    directory_.Write("tls.key", leaf.key_pem);
  }
  void Start(FileSource::Options options) {
    source_ = std::make_unique<FileSource>(*loop_, std::move(options));
    source_->Start(recorder_);
  }
  bool AwaitIdentities(size_t count) {
    return test::RunUntil(*loop_, [&] { return recorder_.identities.size() >= count; });
  }
  bool AwaitFailures(size_t count) {
    return test::RunUntil(*loop_, [&] { return recorder_.failures.size() >= count; });
  }
  // A file beside, then renamed over the old one.
  void Replace(const std::string& name, const std::string& content) {
    const std::string fresh = directory_.Write(name + ".new", content);
    ASSERT_EQ(std::rename(fresh.c_str(), directory_.File(name).c_str()), 0);
  }

  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  test::TemporaryDirectory directory_;
  test::TemporaryCa ca_{{.now = clock_.Now()}};
  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  Recorder recorder_;
  std::unique_ptr<FileSource> source_;
};

TEST_F(FileSourceTest, ReadsKeyAndChainAtOnce) {
  Write(Leaf());
  Start(Options());
  ASSERT_EQ(recorder_.identities.size(), 1u) << recorder_.last_error;
  EXPECT_EQ(recorder_.identities[0]->id().text(), kId);
  EXPECT_THAT(recorder_.failures, IsEmpty());
}

TEST_F(FileSourceTest, ReadsOneFileWithKeyAndChainInAnyOrder) {
  const test::Credential leaf = Leaf();
  directory_.Write("tls.crt", leaf.key_pem + leaf.chain_pem);
  FileSource::Options options = Options();
  options.key_file.clear();
  Start(options);
  EXPECT_EQ(recorder_.identities.size(), 1u) << recorder_.last_error;
}

TEST_F(FileSourceTest, ReadsPkcs12WithItsPasswordFromAFile) {
  Write(Leaf());
  ASSERT_EQ(std::system(absl::StrCat("cd ", directory_.path(),
                                     " && openssl pkcs12 -export -in tls.crt -inkey tls.key -out ",
                                     "tls.p12 -passout pass:secret")
                            .c_str()),
            0);
  directory_.Write("password", "secret\n");
  FileSource::Options options = Options();
  options.certificate_file.clear();
  options.key_file.clear();
  options.pkcs12_file = directory_.File("tls.p12");
  options.password_file = directory_.File("password");
  Start(options);
  EXPECT_EQ(recorder_.identities.size(), 1u) << recorder_.last_error;
}

TEST_F(FileSourceTest, TakesAPairThatIsRenamedIntoPlace) {
  Write(Leaf());
  Start(Options());
  const test::Credential next = Leaf();
  Replace("tls.key", next.key_pem);
  Replace("tls.crt", next.chain_pem);
  ASSERT_TRUE(AwaitIdentities(2)) << recorder_.last_error;
  EXPECT_NE(recorder_.identities[0]->leaf().serial, recorder_.identities[1]->leaf().serial);
}

TEST_F(FileSourceTest, TakesAPairThatIsWrittenInPlace) {
  Write(Leaf());
  Start(Options());
  Write(Leaf());
  EXPECT_TRUE(AwaitIdentities(2)) << recorder_.last_error;
}

// A volume of Kubernetes: tls.crt -> ..data/tls.crt, ..data -> ..2026_01; the swap renames ..data.
TEST_F(FileSourceTest, TakesAPairWhenKubernetesSwapsItsSymlink) {
  const auto publish = [this](const std::string& version) {
    const test::Credential leaf = Leaf();
    directory_.Write(absl::StrCat("..", version, "/tls.crt"), leaf.chain_pem);
    directory_.Write(absl::StrCat("..", version, "/tls.key"), leaf.key_pem);
    ASSERT_EQ(symlink(absl::StrCat("..", version).c_str(), directory_.File("..data_tmp").c_str()),
              0);
    ASSERT_EQ(rename(directory_.File("..data_tmp").c_str(), directory_.File("..data").c_str()), 0);
  };
  publish("first");
  ASSERT_EQ(symlink("..data/tls.crt", directory_.File("tls.crt").c_str()), 0);
  ASSERT_EQ(symlink("..data/tls.key", directory_.File("tls.key").c_str()), 0);
  Start(Options());
  ASSERT_EQ(recorder_.identities.size(), 1u) << recorder_.last_error;
  publish("second");
  EXPECT_TRUE(AwaitIdentities(2)) << recorder_.last_error;
  EXPECT_THAT(recorder_.failures, IsEmpty()) << "both changed at once";
}

TEST_F(FileSourceTest, IgnoresAPairUntilItIsWhole) {
  Write(Leaf());
  Start(Options());
  const test::Credential next = Leaf();
  Replace("tls.key", next.key_pem);
  ASSERT_TRUE(AwaitFailures(1));
  EXPECT_EQ(recorder_.failures[0], Failure::kIncomplete);
  EXPECT_THAT(recorder_.last_error, AllOf(HasSubstr("tls.crt"), HasSubstr("key")));
  Replace("tls.crt", next.chain_pem.substr(0, next.chain_pem.size() / 2));
  ASSERT_TRUE(AwaitFailures(2));
  EXPECT_EQ(recorder_.failures[1], Failure::kIncomplete);
  EXPECT_EQ(recorder_.identities.size(), 1u) << "the old one is kept";
  Replace("tls.crt", next.chain_pem);
  EXPECT_TRUE(AwaitIdentities(2)) << recorder_.last_error;
}

TEST_F(FileSourceTest, TellsTheSameFaultOnce) {
  directory_.Write("tls.crt", "junk");
  directory_.Write("tls.key", "junk");
  Start(Options());
  for (int i = 0; i < 5; ++i) source_->TryOverdue();
  EXPECT_THAT(recorder_.failures, ElementsAre(Failure::kIncomplete));
}

TEST_F(FileSourceTest, WaitsForADirectoryThatDoesNotExistYet) {
  FileSource::Options options = Options();
  options.certificate_file = directory_.File("later/tls.crt");
  options.key_file = directory_.File("later/tls.key");
  Start(options);
  ASSERT_THAT(recorder_.failures, ElementsAre(Failure::kUnavailable));
  EXPECT_THAT(recorder_.last_error, HasSubstr("later/tls.crt"));
  const test::Credential leaf = Leaf();
  directory_.Write("later/tls.crt", leaf.chain_pem);
  directory_.Write("later/tls.key", leaf.key_pem);
  EXPECT_TRUE(AwaitIdentities(1)) << recorder_.last_error;
}

TEST_F(FileSourceTest, RefusesTheIdentityOfSomebodyElse) {
  Write(Leaf("spiffe://cluster.local/ns/demo/sa/frontend"));
  Start(Options());
  EXPECT_THAT(recorder_.failures, ElementsAre(Failure::kWrongIdentity));
  EXPECT_THAT(recorder_.last_error, AllOf(HasSubstr("sa/frontend"), HasSubstr("sa/backend")));
  EXPECT_THAT(recorder_.identities, IsEmpty());
}

TEST_F(FileSourceTest, RefusesAnExpiredCertificate) {
  Write(Leaf(kId, -absl::Seconds(1)));
  Start(Options());
  EXPECT_THAT(recorder_.failures, ElementsAre(Failure::kNotValidNow));
}

TEST_F(FileSourceTest, TakesACertificateOnceItsTimeHasCome) {
  clock_.Advance(-absl::Minutes(30));
  test::CertificateOptions options;
  options.uri_sans = {kId};
  options.not_before = clock_.Now() + absl::Minutes(10);
  Write(ca_.Leaf(options));
  Start(Options());
  ASSERT_THAT(recorder_.failures, ElementsAre(Failure::kNotValidNow));
  clock_.Advance(absl::Minutes(10));
  EXPECT_TRUE(AwaitIdentities(1)) << recorder_.last_error;
}

TEST_F(FileSourceTest, HandsOverTheBundleAndItsChanges) {
  Write(Leaf());
  directory_.Write("ca.crt", ca_.root_pem());
  FileSource::Options options = Options();
  options.bundle_file = directory_.File("ca.crt");
  Start(options);
  ASSERT_EQ(recorder_.bundles.size(), 1u);
  EXPECT_EQ(recorder_.bundles[0][0].trust_domain, "cluster.local");
  EXPECT_EQ(recorder_.bundles[0][0].roots_pem, ca_.root_pem());
  Replace("ca.crt", ca_.root_pem() + test::TemporaryCa().root_pem());
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return recorder_.bundles.size() == 2; }));
  EXPECT_EQ(recorder_.identities.size(), 1u) << "key and certificate are the same";
}

TEST_F(FileSourceTest, ReportsWhatTheObserverRefusesAndTriesAgain) {
  recorder_.verdict = absl::InternalError("unknown root");
  Write(Leaf());
  Start(Options());
  ASSERT_THAT(recorder_.failures, ElementsAre(Failure::kUntrusted));
  recorder_.verdict = absl::OkStatus();
  EXPECT_TRUE(AwaitIdentities(1));
}

}  // namespace
}  // namespace kith::identity
