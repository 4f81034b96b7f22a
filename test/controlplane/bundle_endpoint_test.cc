#include "source/controlplane/bundle_endpoint.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "source/controlplane/federation.h"
#include "source/tls/spiffe_bundle.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/run_until.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;

constexpr char kEndpointId[] = "spiffe://cluster.local/ns/istio-system/sa/kith-controlplane";

// One process is both sides: the endpoint of a trust domain, and a control plane that asks it.
class BundleEndpointTest : public CaFixture {
 protected:
  BundleEndpointTest() {
    // BoringSSL's clients compare with the machine's clock where this one cannot be given.
    clock_.Set(absl::Now());
    authority_ = MakeAuthority();
    auto endpoint = BundleEndpoint::Create(
        *loop_, {.settings = {.address = *base::SocketAddress::Parse("127.0.0.1:0"),
                              .refresh_hint = absl::Seconds(30)},
                 .authority = authority_.get(),
                 .server_names = {"localhost"},
                 .clock = &clock_});
    EXPECT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
    Publish(1);
    directory_.Write("root.pem", authority_->trust_bundle_pem());
  }

  void Publish(uint64_t generation) {
    mesh::v1::TrustBundle bundle;
    bundle.set_roots(authority_->trust_bundle_pem());
    bundle.set_generation(generation);
    endpoint_->Set(bundle);
  }

  Federation::Entry Entry(BundleSource::Profile profile) const {
    Federation::Entry entry{.trust_domain = "cluster.local"};
    entry.endpoint.url = absl::StrCat("https://localhost:", endpoint_->local()->port(), "/bundle");
    entry.endpoint.profile = profile;
    entry.endpoint.server_id = kEndpointId;
    return entry;
  }

  void Ask(Federation::Entry entry) {
    Federation::Options options;
    options.entries = {std::move(entry)};
    options.state = state_.get();
    options.check = absl::Milliseconds(10);
    options.clock = &clock_;
    options.count = [this](bool fetched) { ++(fetched ? fetched_ : failed_); };
    federation_ = std::make_unique<Federation>(
        *loop_, options,
        [this](const std::vector<tls::TrustBundle::Domain>& domains) { given_ = domains; });
  }
  bool Await(const int& count, int at_least) {
    return test::RunUntil(*loop_, [&] { return count >= at_least; });
  }
  std::string Problem() const { return federation_->standings().at("cluster.local").problem; }
  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }

  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<BundleEndpoint> endpoint_;
  std::unique_ptr<Federation> federation_;
  std::vector<tls::TrustBundle::Domain> given_;
  int fetched_ = 0;
  int failed_ = 0;
};

TEST_F(BundleEndpointTest, GivesTheRootsToWhoTrustsItsHostName) {
  Federation::Entry entry = Entry(BundleSource::Profile::kHttpsWeb);
  entry.endpoint.ca_file = directory_.File("root.pem");
  Ask(entry);
  ASSERT_TRUE(Await(fetched_, 1)) << Problem();
  ASSERT_EQ(given_.size(), 1u);
  EXPECT_EQ(given_[0].roots_pem, authority_->trust_bundle_pem());
  EXPECT_EQ(given_[0].generation, 1u);
}

TEST_F(BundleEndpointTest, GivesTheRootsToWhoKnowsItsIdentity) {
  Federation::Entry entry = Entry(BundleSource::Profile::kHttpsSpiffe);
  entry.file = directory_.File("root.pem");
  Ask(entry);
  ASSERT_TRUE(Await(fetched_, 1)) << Problem();
  EXPECT_EQ(given_[0].generation, 1u);
}

TEST_F(BundleEndpointTest, IsNotBelievedWithoutAFirstBundle) {
  Ask(Entry(BundleSource::Profile::kHttpsSpiffe));
  ASSERT_TRUE(Await(failed_, 1));
  EXPECT_THAT(Problem(), HasSubstr("no roots are known"));
  EXPECT_TRUE(given_.empty());
}

TEST_F(BundleEndpointTest, IsNotBelievedUnderAnotherIdentity) {
  Federation::Entry entry = Entry(BundleSource::Profile::kHttpsSpiffe);
  entry.file = directory_.File("root.pem");
  entry.endpoint.server_id = "spiffe://cluster.local/spire/server";
  Ask(entry);
  ASSERT_TRUE(Await(failed_, 1));
  EXPECT_THAT(Problem(), HasSubstr("kith-controlplane"));
  EXPECT_EQ(given_[0].generation, 0u) << "what the file said stays";
}

TEST_F(BundleEndpointTest, IsNotBelievedUnderForeignRoots) {
  const test::TemporaryCa other;
  directory_.Write("other.pem", other.root_pem());
  for (const auto profile :
       {BundleSource::Profile::kHttpsSpiffe, BundleSource::Profile::kHttpsWeb}) {
    Federation::Entry entry = Entry(profile);
    entry.file = directory_.File("other.pem");
    entry.endpoint.ca_file = directory_.File("other.pem");
    failed_ = 0;
    Ask(entry);
    ASSERT_TRUE(Await(failed_, 1));
    EXPECT_EQ(given_[0].roots_pem, other.root_pem());
  }
}

TEST_F(BundleEndpointTest, IsAskedAgainAsOftenAsItSays) {
  Federation::Entry entry = Entry(BundleSource::Profile::kHttpsSpiffe);
  entry.file = directory_.File("root.pem");
  Ask(entry);
  ASSERT_TRUE(Await(fetched_, 1)) << Problem();
  clock_.Advance(absl::Seconds(29));
  EXPECT_FALSE(test::RunUntil(
      *loop_, [&] { return fetched_ > 1; }, absl::Milliseconds(100)));
  Publish(2);
  clock_.Advance(absl::Seconds(2));
  ASSERT_TRUE(Await(fetched_, 2)) << Problem();
  EXPECT_EQ(given_[0].generation, 2u);
}

TEST_F(BundleEndpointTest, IsAskedAgainSoonAfterAFailureAndItsRootsAreKept) {
  Federation::Entry entry = Entry(BundleSource::Profile::kHttpsSpiffe);
  entry.file = directory_.File("root.pem");
  Ask(entry);
  ASSERT_TRUE(Await(fetched_, 1)) << Problem();
  endpoint_.reset();
  clock_.Advance(absl::Seconds(31));
  ASSERT_TRUE(Await(failed_, 1));
  clock_.Advance(absl::Seconds(6));
  ASSERT_TRUE(Await(failed_, 2));
  EXPECT_EQ(given_[0].generation, 1u);
}

TEST_F(BundleEndpointTest, IsRememberedOverARestartUntilTheFileIsReplaced) {
  Federation::Entry entry = Entry(BundleSource::Profile::kHttpsSpiffe);
  entry.file = directory_.File("root.pem");
  Ask(entry);
  ASSERT_TRUE(Await(fetched_, 1)) << Problem();
  federation_.reset();
  entry.endpoint.url = "https://127.0.0.1:1/bundle";
  Ask(entry);
  EXPECT_EQ(given_[0].generation, 1u);
  const test::TemporaryCa other;
  directory_.Write("root.pem", other.root_pem());
  Ask(entry);
  EXPECT_EQ(given_[0].roots_pem, other.root_pem());
}

}  // namespace
}  // namespace kith::controlplane
