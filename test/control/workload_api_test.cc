// Server and source of the SPIFFE Workload API against each other, and the server against a plain
// gRPC client.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "source/control/workload_api_server.h"
#include "source/control/workload_api_source.h"
#include "source/tls/encoding.h"
#include "spiffe/workload/workload.grpc.pb.h"
#include "test/identity/recorder.h"
#include "test/support/run_until.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::control {
namespace {

using ::testing::HasSubstr;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class WorkloadApiTest : public ::testing::Test {
 protected:
  WorkloadApiTest() { Serve({.path = socket_, .metrics = &metrics_}); }
  ~WorkloadApiTest() override { StopLoop(); }

  void Serve(WorkloadApiServer::Options options) {
    server_.reset();
    auto server = WorkloadApiServer::Create(*loop_, std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::shared_ptr<const tls::Context> MakeContext() {
    const test::Credential leaf = ca_.Leaf(kId);
    tls::Context::Options options;
    options.identity =
        *tls::Identity::Create(leaf.chain_pem, *tls::PrivateKey::FromPem(leaf.key_pem));
    options.bundle = *tls::TrustBundle::Create(
        {{"cluster.local", ca_.root_pem()}, {"partner.example", partner_.root_pem()}});
    return *tls::Context::Create(options);
  }
  void Publish() {
    context_ = MakeContext();
    const absl::Status published = server_->Publish(*context_);
    ASSERT_TRUE(published.ok()) << published;
  }
  // Blocking clients need the loop, which accepts, to turn meanwhile.
  void StartLoop() {
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void StopLoop() {
    if (!thread_.joinable()) return;
    loop_->Stop();
    thread_.join();
  }
  std::unique_ptr<SpiffeWorkloadAPI::Stub> Stub() {
    return SpiffeWorkloadAPI::NewStub(
        grpc::CreateChannel(absl::StrCat("unix:", socket_), grpc::InsecureChannelCredentials()));
  }
  grpc::StatusCode Refusal(const char* header, const char* value) {
    grpc::ClientContext context;
    if (header != nullptr) context.AddMetadata(header, value);
    X509SVIDResponse response;
    const auto reader = Stub()->FetchX509SVID(&context, {});
    EXPECT_FALSE(reader->Read(&response));
    return reader->Finish().error_code();
  }

  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }

  telemetry::Metrics metrics_;
  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_.File("workload.sock");
  test::TemporaryCa ca_{{.intermediate = true}};
  test::TemporaryCa partner_;
  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  std::unique_ptr<WorkloadApiServer> server_;
  std::shared_ptr<const tls::Context> context_;
  std::thread thread_;
};

TEST_F(WorkloadApiTest, GivesThePresentIdentityToAGrpcClientAndPushesTheNext) {
  Publish();
  StartLoop();
  const auto stub = Stub();
  grpc::ClientContext call;
  call.AddMetadata("workload.spiffe.io", "true");
  X509SVIDResponse first;
  const auto reader = stub->FetchX509SVID(&call, {});
  ASSERT_TRUE(reader->Read(&first));
  ASSERT_EQ(first.svids_size(), 1);
  const X509SVID& svid = first.svids(0);
  EXPECT_EQ(svid.spiffe_id(), kId);
  EXPECT_EQ(*tls::CertificatesFromDer(svid.x509_svid()), context_->identity().ChainPem());
  EXPECT_EQ(*tls::CertificatesFromDer(svid.bundle()), ca_.root_pem());
  EXPECT_TRUE(tls::Identity::Create(*tls::CertificatesFromDer(svid.x509_svid()),
                                    *tls::KeyFromDer(svid.x509_svid_key()))
                  .ok());
  ASSERT_EQ(first.federated_bundles().count("spiffe://partner.example"), 1u);
  EXPECT_EQ(*tls::CertificatesFromDer(first.federated_bundles().at("spiffe://partner.example")),
            partner_.root_pem());

  Publish();
  X509SVIDResponse second;
  ASSERT_TRUE(reader->Read(&second));
  EXPECT_NE(second.svids(0).x509_svid(), svid.x509_svid());
  call.TryCancel();
  reader->Finish();
}

TEST_F(WorkloadApiTest, GivesTheBundlesAlone) {
  Publish();
  StartLoop();
  grpc::ClientContext call;
  call.AddMetadata("workload.spiffe.io", "true");
  X509BundlesResponse bundles;
  const auto stub = Stub();
  const auto reader = stub->FetchX509Bundles(&call, {});
  ASSERT_TRUE(reader->Read(&bundles));
  EXPECT_EQ(bundles.bundles_size(), 2);
  EXPECT_EQ(*tls::CertificatesFromDer(bundles.bundles().at("spiffe://cluster.local")),
            ca_.root_pem());
  call.TryCancel();
  reader->Finish();
}

TEST_F(WorkloadApiTest, RefusesACallWithoutTheMetadata) {
  Publish();
  StartLoop();
  EXPECT_EQ(Refusal(nullptr, nullptr), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Refusal("workload.spiffe.io", "yes"), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WorkloadApiTest, IsUnavailableUntilThereIsAnIdentity) {
  StartLoop();
  EXPECT_EQ(Refusal("workload.spiffe.io", "true"), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(WorkloadApiTest, RefusesOtherUsers) {
  server_.reset();
  Serve({.path = socket_, .mode = 0666, .uids = {geteuid() + 1}, .metrics = &metrics_});
  struct stat file;
  ASSERT_EQ(stat(socket_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0666u);
  Publish();
  StartLoop();
  EXPECT_EQ(Refusal("workload.spiffe.io", "true"), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(
      metrics_.Text(),
      HasSubstr("kith_workload_api_requests_total{rpc=\"FetchX509SVID\",result=\"denied\"}"));
}

TEST_F(WorkloadApiTest, AnswersOtherMethodsWithUnimplemented) {
  Publish();
  StartLoop();
  grpc::TemplatedGenericStub<X509SVIDRequest, X509SVIDResponse> stub(
      grpc::CreateChannel(absl::StrCat("unix:", socket_), grpc::InsecureChannelCredentials()));
  for (const char* method :
       {"FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID", "FetchWITSVID"}) {
    grpc::ClientContext call;
    call.AddMetadata("workload.spiffe.io", "true");
    grpc::CompletionQueue queue;
    const auto answer =
        stub.PrepareUnaryCall(&call, absl::StrCat("/SpiffeWorkloadAPI/", method), {}, &queue);
    answer->StartCall();
    X509SVIDResponse response;
    grpc::Status status;
    answer->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
  }
}

TEST_F(WorkloadApiTest, IsASourceForAnotherSidecarThroughRotationsAndARestart) {
  Publish();
  identity::Recorder recorder;
  auto source = WorkloadApiSource::Create(*loop_, {.id = *base::SpiffeId::Parse(kId),
                                                   .endpoint = absl::StrCat("unix://", socket_),
                                                   .first_wait = absl::Milliseconds(20),
                                                   .longest_wait = absl::Milliseconds(100)});
  ASSERT_TRUE(source.ok()) << source.status();
  (*source)->Start(recorder);
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return recorder.identities.size() == 1; }));
  ASSERT_EQ(recorder.bundles.back().size(), 2u);
  EXPECT_EQ(recorder.bundles.back()[0].roots_pem, ca_.root_pem());
  EXPECT_EQ(recorder.bundles.back()[1].trust_domain, "partner.example");

  Publish();
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return recorder.identities.size() == 2; }));
  EXPECT_EQ(recorder.identities[1]->leaf().serial, context_->identity().leaf().serial);

  server_.reset();
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return !recorder.failures.empty(); }));
  EXPECT_EQ(recorder.failures[0], identity::Failure::kUnavailable);
  Serve({.path = socket_});
  Publish();
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return recorder.identities.size() == 3; }))
      << recorder.last_error;
}

}  // namespace
}  // namespace kith::control
