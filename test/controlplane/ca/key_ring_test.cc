// How roots and a rotation's progress outlive restarts and crashes.
#include "source/controlplane/ca/key_ring.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "test/controlplane/ca/certificate_reader.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

class KeyRingTest : public CaFixture {
 protected:
  KeyRing::Options RingOptions() {
    return {.state = state_.get(),
            .trust_domain = "cluster.local",
            .root_lifetime = absl::Hours(24 * 365),
            .backdate = absl::Minutes(2)};
  }
  std::unique_ptr<KeyRing> Load() {
    auto ring = KeyRing::Load(RingOptions(), clock_.Now());
    EXPECT_TRUE(ring.ok()) << ring.status();
    return ring.ok() ? *std::move(ring) : nullptr;
  }
  RootPem NewRoot(x509::KeyType type = x509::KeyType::kP256) {
    return *MakeRoot(type, "cluster.local", absl::Hours(24 * 365), absl::Minutes(2), clock_.Now());
  }
  size_t Keys() const {
    size_t keys = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/state")) {
      const std::string name = entry.path().filename().string();
      keys += name.size() > 7 && name.substr(name.size() - 7) == "key.pem";
    }
    return keys;
  }
  static size_t CertificatesIn(const std::string& pem) {
    size_t count = 0;
    for (size_t at = pem.find("BEGIN CERT"); at != std::string::npos;
         at = pem.find("BEGIN CERT", at + 1)) {
      ++count;
    }
    return count;
  }
};

TEST_F(KeyRingTest, GoesThroughARotationWhicheverStepARestartComesAfter) {
  auto ring = Load();
  const std::string old_root = ring->leaf_signer()->root_key_id;
  EXPECT_EQ(ring->generation(), 1u);
  ASSERT_TRUE(ring->Add(NewRoot(), RotationMode::kManual, clock_.Now()).ok());

  ring = Load();
  EXPECT_EQ(ring->phase(), RotationPhase::kAdding);
  EXPECT_EQ(ring->mode(), RotationMode::kManual);
  EXPECT_EQ(ring->leaf_signer()->root_key_id, old_root);
  EXPECT_EQ(CertificatesIn(ring->BundlePem()), 2u);
  EXPECT_EQ(ring->retiring(), nullptr);
  ASSERT_TRUE(ring->Switch(clock_.Now()).ok());

  ring = Load();
  EXPECT_EQ(ring->phase(), RotationPhase::kReissuing);
  EXPECT_NE(ring->leaf_signer()->root_key_id, old_root);
  EXPECT_EQ(ring->server_signer()->root_key_id, old_root) << "bootstrap files know that one";
  EXPECT_EQ(ring->retiring()->root_key_id, old_root);
  const std::string new_root = ring->leaf_signer()->root_key_id;
  ASSERT_TRUE(ring->Remove(clock_.Now()).ok());

  ring = Load();
  EXPECT_EQ(ring->phase(), RotationPhase::kRemoving);
  EXPECT_EQ(ring->leaf_signer()->root_key_id, new_root);
  EXPECT_EQ(CertificatesIn(ring->BundlePem()), 1u);
  EXPECT_EQ(Keys(), 1u) << "the old root's key is gone";
  ASSERT_TRUE(ring->Settle(clock_.Now()).ok());

  ring = Load();
  EXPECT_EQ(ring->phase(), RotationPhase::kIdle);
  EXPECT_EQ(ring->server_signer()->root_key_id, new_root);
  EXPECT_EQ(ring->generation(), 4u);
  EXPECT_TRUE(
      ring->Add(NewRoot(x509::KeyType::kP384), RotationMode::kAutomatic, clock_.Now()).ok());
}

TEST_F(KeyRingTest, KeepsTheBundleInTheFileThatSidecarsAreGiven) {
  auto ring = Load();
  const std::string file = "state/root-cert.pem";
  EXPECT_EQ(directory_.Read(file), ring->BundlePem());
  ASSERT_TRUE(ring->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now()).ok());
  EXPECT_EQ(directory_.Read(file), ring->BundlePem());
  EXPECT_EQ(CertificatesIn(directory_.Read(file)), 2u);
  directory_.Write(file, "lost");
  ring = Load();
  EXPECT_EQ(directory_.Read(file), ring->BundlePem());
}

TEST_F(KeyRingTest, GoesBackToTheOldRoot) {
  auto ring = Load();
  const std::string old_root = ring->leaf_signer()->root_key_id;
  ASSERT_TRUE(ring->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now()).ok());
  ASSERT_TRUE(ring->Switch(clock_.Now()).ok());
  const std::string new_root = ring->leaf_signer()->root_key_id;
  ASSERT_TRUE(ring->Abort(clock_.Now()).ok());
  ring = Load();
  EXPECT_EQ(ring->leaf_signer()->root_key_id, old_root);
  EXPECT_EQ(ring->retiring()->root_key_id, new_root);
  ASSERT_TRUE(ring->Remove(clock_.Now()).ok());
  ASSERT_TRUE(ring->Settle(clock_.Now()).ok());
  EXPECT_EQ(Load()->leaf_signer()->root_key_id, old_root);
}

TEST_F(KeyRingTest, RefusesStepsOutOfTurn) {
  auto ring = Load();
  EXPECT_FALSE(ring->Switch(clock_.Now()).ok());
  EXPECT_FALSE(ring->Remove(clock_.Now()).ok());
  EXPECT_FALSE(ring->Abort(clock_.Now()).ok());
  EXPECT_FALSE(ring->Settle(clock_.Now()).ok());
  ASSERT_TRUE(ring->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now()).ok());
  EXPECT_FALSE(ring->Remove(clock_.Now()).ok());
  const absl::Status twice = ring->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now());
  EXPECT_THAT(std::string(twice.message()), HasSubstr("is adding"));
}

TEST_F(KeyRingTest, RefusesANewRootThatIsOfNoUseAndChangesNothing) {
  auto ring = Load();
  const RootPem good = NewRoot();
  const RootPem other = NewRoot();
  const std::string present = directory_.Read("state/root-cert.pem");
  const RootPem same = {present, directory_.Read("state/root-key.pem"), present};
  for (const RootPem& bad :
       {RootPem{good.certificate, other.key, good.roots}, RootPem{"nothing", good.key, good.roots},
        RootPem{good.certificate, good.key, other.roots}, same}) {
    EXPECT_FALSE(ring->Add(bad, RotationMode::kAutomatic, clock_.Now()).ok());
    EXPECT_EQ(ring->phase(), RotationPhase::kIdle);
    EXPECT_EQ(ring->members().size(), 1u);
  }
  ring = Load();
  EXPECT_EQ(ring->phase(), RotationPhase::kIdle);
  EXPECT_EQ(Keys(), 1u);
  EXPECT_EQ(directory_.Read("state/root-cert.pem"), present);
}

TEST_F(KeyRingTest, ChangesNothingThatItCannotRecord) {
  auto ring = Load();
  ASSERT_TRUE(ring->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now()).ok());
  {
    const FullDisk full(1);
    EXPECT_FALSE(ring->Switch(clock_.Now()).ok());
    EXPECT_EQ(ring->phase(), RotationPhase::kAdding);
  }
  EXPECT_EQ(Load()->phase(), RotationPhase::kAdding);
  EXPECT_TRUE(ring->Switch(clock_.Now()).ok());
}

TEST_F(KeyRingTest, DropsARootThatEndedWhileNobodyWasThereToRemoveIt) {
  auto ring = Load();
  clock_.Advance(absl::Hours(24 * 300));
  ASSERT_TRUE(ring->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now()).ok());
  ASSERT_TRUE(ring->Switch(clock_.Now()).ok());
  clock_.Advance(absl::Hours(24 * 100));
  ring = Load();
  ASSERT_NE(ring, nullptr);
  EXPECT_EQ(ring->phase(), RotationPhase::kRemoving);
  EXPECT_EQ(ring->members().size(), 1u);
  EXPECT_TRUE(ring->Settle(clock_.Now()).ok());
}

TEST_F(KeyRingTest, NamesTheRecordThatItCannotRead) {
  ASSERT_TRUE(Load()->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now()).ok());
  const std::string good = directory_.Read("state/rotation.json");
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string(), good.substr(0, good.size() / 2)}) {
    directory_.Write("state/rotation.json", bad);
    const auto ring = KeyRing::Load(RingOptions(), clock_.Now());
    EXPECT_THAT(std::string(ring.status().message()), HasSubstr("rotation.json"));
  }
}

TEST_F(KeyRingTest, ReplacesAConfiguredIntermediateToo) {
  test::TemporaryCa ca({.now = clock_.Now(), .intermediate = true});
  KeyRing::Options options = RingOptions();
  options.configured = {directory_.Write("ca/cert.pem", ca.issuer().certificate_pem),
                        directory_.Write("ca/key.pem", ca.issuer().key_pem),
                        directory_.Write("ca/root.pem", ca.root_pem())};
  auto ring = *KeyRing::Load(options, clock_.Now());
  ASSERT_EQ(ring->leaf_signer()->intermediates.size(), 1u);
  ASSERT_TRUE(ring->Add(NewRoot(), RotationMode::kAutomatic, clock_.Now()).ok());
  ASSERT_TRUE(ring->Switch(clock_.Now()).ok());
  ASSERT_TRUE(ring->Remove(clock_.Now()).ok());
  ring = *KeyRing::Load(options, clock_.Now());
  EXPECT_TRUE(ring->leaf_signer()->intermediates.empty());
  EXPECT_EQ(CertificatesIn(ring->BundlePem()), 1u);
  EXPECT_TRUE(std::filesystem::exists(options.configured.key)) << "theirs is theirs to remove";
}

TEST_F(KeyRingTest, TakesOverTheUsersFilesOnceTheyAreAWholePair) {
  const RootPem first = NewRoot();
  const RootPem second = NewRoot(x509::KeyType::kP384);
  KeyRing::Options options = RingOptions();
  options.configured = {directory_.Write("ca.pem", first.certificate),
                        directory_.Write("ca-key.pem", first.key),
                        directory_.Write("roots.pem", first.roots + second.roots)};
  auto ring = *KeyRing::Load(options, clock_.Now());
  const std::string before = ring->leaf_signer()->root_key_id;
  EXPECT_FALSE(*ring->Reload(clock_.Now())) << "nothing is new";

  directory_.Write("ca.pem", second.certificate);
  EXPECT_EQ(ring->Reload(clock_.Now()).status().code(), absl::StatusCode::kFailedPrecondition);
  directory_.Write("ca-key.pem", second.key.substr(0, second.key.size() / 2));
  EXPECT_FALSE(ring->Reload(clock_.Now()).ok());
  EXPECT_EQ(ring->leaf_signer()->root_key_id, before);
  directory_.Write("ca-key.pem", second.key);
  EXPECT_TRUE(*ring->Reload(clock_.Now()));
  EXPECT_NE(ring->leaf_signer()->root_key_id, before);
  EXPECT_EQ(ring->leaf_signer()->key_type, "P-384");

  directory_.Write("roots.pem", second.roots);
  EXPECT_THAT(ring->Reload(clock_.Now()).status().message(), ::testing::HasSubstr("rotate start"));
  EXPECT_EQ(CertificatesIn(ring->BundlePem()), 2u) << "sidecars still hold both";
}

TEST_F(KeyRingTest, FollowsNoFilesOfARootThatItMade) {
  EXPECT_FALSE(Load()->Reload(clock_.Now()).ok());
}

}  // namespace
}  // namespace kith::controlplane
