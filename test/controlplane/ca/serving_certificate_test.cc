#include "source/controlplane/ca/serving_certificate.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "test/controlplane/ca/certificate_reader.h"
#include "test/controlplane/ca/fixture.h"

namespace kith::controlplane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ServingCertificateTest : public CaFixture {
 protected:
  ServingCertificateTest() : loop_(*event::Loop::Create()), authority_(MakeAuthority()) {}

  std::unique_ptr<ServingCertificate> Make(absl::Duration check_interval = absl::Seconds(10)) {
    ServingCertificate::Options options;
    options.loop = loop_.get();
    options.authority = authority_.get();
    options.state = state_.get();
    options.clock = &clock_;
    options.check_interval = check_interval;
    auto serving = ServingCertificate::Create(std::move(options));
    EXPECT_TRUE(serving.ok()) << serving.status();
    return *std::move(serving);
  }
  std::string Certificate() { return directory_.Read("state/serving/cert.pem"); }
  std::string Key() { return directory_.Read("state/serving/key.pem"); }
  int Folders() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(state_->path())) {
      count += absl::StartsWith(entry.path().filename().string(), "serving-");
    }
    return count;
  }

  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<CertificateAuthority> authority_;
};

TEST_F(ServingCertificateTest, WritesAPairThatATlsServerCanUse) {
  auto serving = Make();
  EXPECT_EQ(serving->certificate_file(), directory_.File("state/serving/cert.pem"));
  EXPECT_EQ(serving->key_file(), directory_.File("state/serving/key.pem"));
  EXPECT_TRUE(IsKeyOf(Key(), Certificate()));
  EXPECT_THAT(Read(Certificate()).dns_names, ElementsAre("kith-controlplane", "localhost"));
  EXPECT_EQ(VerifyChain(Certificate(), authority_->trust_bundle_pem(), clock_.Now(), Role::kServer),
            "ok");
  struct stat facts;
  ASSERT_EQ(::stat(serving->key_file().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(serving->not_after(), clock_.Now() + absl::Hours(24));
}

TEST_F(ServingCertificateTest, RenewsAtHalfOfItsLife) {
  auto serving = Make();
  std::string first = Certificate();
  std::string serial = serving->serial();
  clock_.Advance(absl::Hours(12) - absl::Seconds(1));
  serving->Check();
  EXPECT_EQ(Certificate(), first);
  clock_.Advance(absl::Seconds(1));
  serving->Check();
  EXPECT_NE(Certificate(), first);
  EXPECT_NE(serving->serial(), serial);
  EXPECT_TRUE(IsKeyOf(Key(), Certificate()));
  EXPECT_EQ(serving->not_after(), clock_.Now() + absl::Hours(24));
}

TEST_F(ServingCertificateTest, LeavesTheOldPairToItsReadersForOneRound) {
  auto serving = Make();
  std::filesystem::path first = std::filesystem::canonical(directory_.File("state/serving"));
  clock_.Advance(absl::Hours(13));
  serving->Check();
  EXPECT_TRUE(std::filesystem::exists(first / "key.pem"));
  for (int i = 0; i < 5; i++) {
    clock_.Advance(absl::Hours(13));
    serving->Check();
  }
  EXPECT_FALSE(std::filesystem::exists(first));
  EXPECT_EQ(Folders(), 2);
}

TEST_F(ServingCertificateTest, FollowsAClockThatIsSetBack) {
  auto serving = Make();
  std::string first = Certificate();
  clock_.Advance(-absl::Hours(1));
  serving->Check();
  EXPECT_NE(Certificate(), first);
}

TEST_F(ServingCertificateTest, IsCheckedByItsTimer) {
  auto serving = Make(absl::Milliseconds(1));
  std::string first = Certificate();
  clock_.Advance(absl::Hours(13));
  while (Certificate() == first) loop_->RunOnce();
  EXPECT_TRUE(IsKeyOf(Key(), Certificate()));
}

TEST_F(ServingCertificateTest, KeepsTheValidPairWhenARenewalFails) {
  auto serving = Make();
  std::string first = Certificate();
  // Something that is no link stands where the next link is to be made.
  std::filesystem::create_directories(directory_.File("state/serving.new/x"));
  clock_.Advance(absl::Hours(13));
  serving->Check();
  EXPECT_EQ(Certificate(), first);
  EXPECT_TRUE(IsKeyOf(Key(), Certificate()));
  std::filesystem::remove_all(directory_.File("state/serving.new"));
  serving->Check();
  EXPECT_NE(Certificate(), first);
}

TEST_F(ServingCertificateTest, SurvivesWhatACrashLeft) {
  Make().reset();
  // Killed between making the folder and swapping the link.
  directory_.Write("state/serving-0123/key.pem", "half");
  std::filesystem::create_symlink("serving-0123", directory_.File("state/serving.new"));
  auto serving = Make();
  EXPECT_TRUE(IsKeyOf(Key(), Certificate()));
  EXPECT_FALSE(std::filesystem::exists(directory_.File("state/serving-0123")));
}

TEST_F(ServingCertificateTest, SaysWhatStandsInItsWayAtStart) {
  std::filesystem::create_directories(directory_.File("state/serving/x"));
  ServingCertificate::Options options;
  options.loop = loop_.get();
  options.authority = authority_.get();
  options.state = state_.get();
  options.clock = &clock_;
  auto serving = ServingCertificate::Create(std::move(options));
  EXPECT_THAT(serving.status().message(), HasSubstr("serving certificate: replace"));
}

}  // namespace
}  // namespace kith::controlplane
