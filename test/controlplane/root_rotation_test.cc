// When a rotation goes on, and when it must not.
#include "source/controlplane/root_rotation.h"

#include <gmock/gmock.h>

#include "source/controlplane/rotation_admin.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RootRotationTest : public CaFixture {
 protected:
  RootRotationTest() {
    AuthorityOptions options = Options();
    options.root_lifetime = absl::Hours(24 * 300);
    options.max_leaf_lifetime = options.default_leaf_lifetime = absl::Hours(1);
    Start(options);
  }

  // As a control plane that starts: what is connected stays.
  void Start(const AuthorityOptions& options) {
    authority_ = MakeAuthority(options);
    ASSERT_NE(authority_, nullptr);
    rotation_ = std::make_unique<RootRotation>(
        RootRotation::Options{.authority = authority_.get(),
                              .audit = audit_.get(),
                              .workloads = [this] { return workloads_; },
                              .distribute =
                                  [this](mesh::v1::TrustBundle bundle) {
                                    bundles_.push_back(std::move(bundle));
                                    for (auto& each : workloads_) each.holds_bundle = false;
                                  },
                              .renew_serving = [this] { ++served_anew_; },
                              .clock = &clock_,
                              .may_start = [this] { return may_start_; },
                              .publish = publish_});
  }

  // A sidecar that has a leaf of the root that signs now.
  void Connect(const std::string& name) {
    Hub::WorkloadReport report;
    report.record.workload.name_space = "demo";
    report.record.workload.name = name;
    report.record.stream = workloads_.size() + 1;
    report.holds_bundle = true;
    workloads_.push_back(std::move(report));
    Renew(workloads_.size() - 1);
  }
  void Renew(size_t which) {
    const auto issued = authority_->IssueLeaf(
        *base::SpiffeId::Parse("spiffe://cluster.local/ns/demo/sa/a"), csr_, absl::Hours(1), {});
    ASSERT_TRUE(issued.ok()) << issued.status();
    mesh::v1::ServedCertificate& served = workloads_[which].record.certificate;
    served.set_serial(issued->serial);
    served.set_root_key_id(authority_->ring().leaf_signer()->root_key_id);
    served.set_not_after_unix(absl::ToUnixSeconds(issued->not_after));
  }
  void Acknowledge(size_t which) { workloads_[which].holds_bundle = true; }
  void Lose(size_t which) {
    workloads_[which].record.stream = Roster::kNoStream;
    workloads_[which].record.present = false;
  }

  RootPem NewRoot() {
    return *MakeRoot(x509::KeyType::kP256, "cluster.local", absl::Hours(24 * 300), absl::Minutes(2),
                     clock_.Now());
  }
  absl::Status Begin(RotationMode mode = RotationMode::kAutomatic) {
    return rotation_->Start(NewRoot(), mode, "a test");
  }
  RotationPhase Phase() const { return authority_->ring().phase(); }
  // Two ticks as far apart as the conditions must hold.
  RotationPhase Settled() {
    rotation_->Tick();
    clock_.Advance(absl::Seconds(2));
    rotation_->Tick();
    return Phase();
  }

  const std::string csr_ = test::MakeRequestPem({});
  std::vector<Hub::WorkloadReport> workloads_;
  std::vector<mesh::v1::TrustBundle> bundles_;
  int served_anew_ = 0;
  absl::Duration publish_ = absl::ZeroDuration();
  absl::Status may_start_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<RootRotation> rotation_;
};

TEST_F(RootRotationTest, ReplacesTheRootStepByStep) {
  Connect("a");
  Connect("b");
  const std::string old_root = authority_->ring().leaf_signer()->root_key_id;
  EXPECT_EQ(bundles_.back().generation(), 1u);
  ASSERT_TRUE(Begin().ok());
  EXPECT_EQ(bundles_.back().generation(), 2u);
  EXPECT_THAT(bundles_.back().retiring_key_ids(), IsEmpty());

  Acknowledge(0);
  EXPECT_EQ(Settled(), RotationPhase::kAdding) << "b has not acknowledged";
  Acknowledge(1);
  EXPECT_EQ(Settled(), RotationPhase::kReissuing);
  EXPECT_THAT(bundles_.back().retiring_key_ids(), ElementsAre(old_root));
  EXPECT_EQ(served_anew_, 0) << "bootstrap files know the old root";

  Renew(0);
  EXPECT_EQ(Settled(), RotationPhase::kReissuing);
  EXPECT_THAT(rotation_->WaitsFor()[0], HasSubstr("demo/b"));
  Renew(1);
  EXPECT_EQ(Settled(), RotationPhase::kReissuing) << "leaves of the old root live";
  ASSERT_EQ(rotation_->WaitsFor().size(), 1u);
  EXPECT_THAT(rotation_->WaitsFor()[0], HasSubstr(old_root));
  clock_.Advance(absl::Minutes(62));
  EXPECT_EQ(Settled(), RotationPhase::kRemoving);
  EXPECT_EQ(served_anew_, 1);
  EXPECT_EQ(authority_->roots().size(), 1u);

  EXPECT_EQ(Settled(), RotationPhase::kRemoving);
  Acknowledge(0);
  Acknowledge(1);
  EXPECT_EQ(Settled(), RotationPhase::kIdle);
  EXPECT_NE(authority_->ring().leaf_signer()->root_key_id, old_root);
  EXPECT_EQ(bundles_.back().generation(), 4u);
}

TEST_F(RootRotationTest, GivesOtherTrustDomainsTimeToFetchTheNewRoot) {
  publish_ = absl::Minutes(10);
  Start(authority_->options());
  Connect("a");
  ASSERT_TRUE(Begin().ok());
  Acknowledge(0);
  EXPECT_EQ(Settled(), RotationPhase::kAdding);
  EXPECT_THAT(rotation_->WaitsFor()[0], HasSubstr("other trust domains"));
  clock_.Advance(absl::Minutes(10));
  EXPECT_EQ(Settled(), RotationPhase::kReissuing);
}

TEST_F(RootRotationTest, WaitsForSidecarsThatWereLostWithALiveCertificate) {
  Connect("a");
  Connect("b");
  Lose(1);
  ASSERT_TRUE(Begin().ok());
  Acknowledge(0);
  EXPECT_EQ(Settled(), RotationPhase::kAdding);
  EXPECT_THAT(rotation_->WaitsFor()[0], HasSubstr("lost: demo/b"));
  workloads_[1].record.drained = true;
  EXPECT_EQ(Settled(), RotationPhase::kReissuing) << "one that said good-bye needs no bundle";
}

TEST_F(RootRotationTest, TellsWhoConnectsLateBeforeTheSignerChanges) {
  Connect("a");
  ASSERT_TRUE(Begin().ok());
  Acknowledge(0);
  rotation_->Tick();
  Connect("late");
  workloads_[1].holds_bundle = false;
  EXPECT_EQ(Settled(), RotationPhase::kAdding);
  Acknowledge(1);
  EXPECT_EQ(Settled(), RotationPhase::kReissuing);
}

TEST_F(RootRotationTest, RefusesToRemoveARootWithLiveLeavesUnlessForced) {
  Connect("a");
  ASSERT_TRUE(Begin(RotationMode::kManual).ok());
  EXPECT_THAT(std::string(rotation_->Continue(RootRotation::Force::kNo).message()),
              HasSubstr("demo/a"));
  Acknowledge(0);
  EXPECT_EQ(Settled(), RotationPhase::kAdding) << "a person is to say so";
  ASSERT_TRUE(rotation_->Continue(RootRotation::Force::kNo).ok());
  EXPECT_FALSE(rotation_->Continue(RootRotation::Force::kNo).ok());
  EXPECT_EQ(Phase(), RotationPhase::kReissuing);
  ASSERT_TRUE(rotation_->Continue(RootRotation::Force::kYes).ok());
  EXPECT_EQ(Phase(), RotationPhase::kRemoving);
  bool recorded = false;
  for (const auto& line : AuditLines()) {
    recorded = recorded || line.value("detail", "").find("forced past") != std::string::npos;
  }
  EXPECT_TRUE(recorded);
}

TEST_F(RootRotationTest, RemembersLiveLeavesOverARestart) {
  Connect("a");
  ASSERT_TRUE(Begin().ok());
  Acknowledge(0);
  ASSERT_EQ(Settled(), RotationPhase::kReissuing);
  const AuthorityOptions options = authority_->options();
  rotation_.reset();
  authority_.reset();
  Start(options);
  workloads_.clear();
  EXPECT_EQ(Settled(), RotationPhase::kReissuing) << "nobody is connected, but a leaf lives";
  clock_.Advance(absl::Minutes(62));
  EXPECT_EQ(Settled(), RotationPhase::kRemoving);
}

TEST_F(RootRotationTest, GoesBackUntilTheRootIsRemoved) {
  Connect("a");
  const std::string old_root = authority_->ring().leaf_signer()->root_key_id;
  EXPECT_FALSE(rotation_->Abort().ok());
  ASSERT_TRUE(Begin().ok());
  Acknowledge(0);
  ASSERT_EQ(Settled(), RotationPhase::kReissuing);
  Renew(0);
  ASSERT_TRUE(rotation_->Abort().ok());
  EXPECT_EQ(Settled(), RotationPhase::kAborting) << "a leaf of the new root lives";
  Renew(0);
  clock_.Advance(absl::Minutes(62));
  EXPECT_EQ(Settled(), RotationPhase::kRemoving);
  EXPECT_FALSE(rotation_->Abort().ok());
  Acknowledge(0);
  EXPECT_EQ(Settled(), RotationPhase::kIdle);
  EXPECT_EQ(authority_->ring().leaf_signer()->root_key_id, old_root);
}

TEST_F(RootRotationTest, BeginsByItselfWhenAThirdOfTheRootsLifeIsLeft) {
  clock_.Advance(absl::Hours(24 * 199));
  rotation_->Tick();
  EXPECT_EQ(Phase(), RotationPhase::kIdle);
  clock_.Advance(absl::Hours(24 * 2));
  rotation_->Tick();
  EXPECT_EQ(Phase(), RotationPhase::kAdding);
}

TEST_F(RootRotationTest, BeginsOnlyWhereItMay) {
  may_start_ = absl::FailedPreconditionError("start: another control plane leads");
  EXPECT_EQ(Begin(), may_start_);
  clock_.Advance(absl::Hours(24 * 201));
  EXPECT_EQ(Settled(), RotationPhase::kIdle);
  may_start_ = absl::OkStatus();
  clock_.Advance(absl::Minutes(2));
  rotation_->Tick();
  EXPECT_EQ(Phase(), RotationPhase::kAdding);
}

TEST_F(RootRotationTest, AnswersTheAdminSocket) {
  Connect("a");
  const auto post = [&](const std::string& body) {
    return AnswerRotation(*rotation_, {.method = "POST",
                                       .path = "/v1/ca/rotation",
                                       .query = {},
                                       .target = {},
                                       .headers = {},
                                       .body = body});
  };
  EXPECT_EQ(post("[]").status, 400);
  EXPECT_EQ(post("{}").status, 400);
  EXPECT_EQ(post(R"({"action": "dance"})").status, 400);
  EXPECT_EQ(post(R"({"action": "start", "mode": "slow"})").status, 400);
  EXPECT_EQ(post(R"({"action": "start", "certificate": "x"})").status, 400);
  EXPECT_EQ(post(R"({"action": "start", "colour": "x"})").status, 400);
  EXPECT_EQ(post(R"({"action": "abort"})").status, 409);
  EXPECT_EQ(Phase(), RotationPhase::kIdle);
  EXPECT_EQ(post(R"({"action": "start", "keyType": "P-384"})").status, 200);
  const auto answer = nlohmann::json::parse(RotationJson(*rotation_));
  EXPECT_EQ(answer["phase"], "adding");
  EXPECT_EQ(answer["roots"].size(), 2u);
  EXPECT_EQ(answer["workloads"][0]["waitsFor"], "bundle");
}

TEST_F(RootRotationTest, SignsWithAnIntermediateThatIsReplacedInTime) {
  AuthorityOptions options = authority_->options();
  options.intermediate_lifetime = absl::Hours(10);
  rotation_.reset();
  authority_.reset();
  Start(options);
  const auto issue = [&] {
    return authority_->IssueLeaf(*base::SpiffeId::Parse("spiffe://cluster.local/ns/a/sa/b"), csr_,
                                 absl::Hours(1), {});
  };
  const auto first = issue();
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->chain_pem.size(), 3u) << "leaf, intermediate, roots";
  rotation_->Tick();
  EXPECT_EQ(issue()->chain_pem[1], first->chain_pem[1]);
  clock_.Advance(absl::Hours(5));
  rotation_->Tick();
  const auto second = issue();
  EXPECT_NE(second->chain_pem[1], first->chain_pem[1]);
  EXPECT_EQ(second->not_after, clock_.Now() + absl::Hours(1)) << "no leaf is cut short";
}

}  // namespace
}  // namespace kith::controlplane
