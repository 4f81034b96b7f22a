#include "source/control/workload_api_source.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "source/tls/encoding.h"
#include "spiffe/workload/workload.grpc.pb.h"
#include "test/identity/recorder.h"
#include "test/support/run_until.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::control {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";
constexpr char kOther[] = "spiffe://cluster.local/ns/demo/sa/frontend";

// An API that gives one message, or one status, to every call.
class FakeAgent : public SpiffeWorkloadAPI::Service {
 public:
  explicit FakeAgent(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("unix:", socket), grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeAgent() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  grpc::Status FetchX509SVID(grpc::ServerContext* context, const X509SVIDRequest*,
                             grpc::ServerWriter<X509SVIDResponse>* writer) override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++calls;
    headers += static_cast<int>(context->client_metadata().count("workload.spiffe.io"));
    if (!status.ok()) return status;
    writer->Write(message);
    changed_.wait_for(lock, std::chrono::seconds(20),
                      [&] { return over_ || context->IsCancelled(); });
    return grpc::Status::OK;
  }

  void Answer(X509SVIDResponse with) {
    const std::lock_guard<std::mutex> lock(mutex_);
    message = std::move(with);
    status = grpc::Status::OK;
  }

  // Under the mutex once the source is started.
  X509SVIDResponse message;
  grpc::Status status;
  int calls = 0;
  int headers = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::unique_ptr<grpc::Server> server_;
};

class WorkloadApiSourceTest : public ::testing::Test {
 protected:
  X509SVID Svid(const std::string& id, const std::string& hint = "") {
    const test::Credential leaf = ca_.Leaf(id);
    X509SVID svid;
    svid.set_spiffe_id(id);
    svid.set_x509_svid(leaf.certificate_der);
    svid.set_x509_svid_key(*tls::KeyToDer(**tls::PrivateKey::FromPem(leaf.key_pem)));
    svid.set_bundle(ca_.root().certificate_der);
    svid.set_hint(hint);
    return svid;
  }
  X509SVIDResponse Response(const std::vector<X509SVID>& svids) {
    X509SVIDResponse response;
    for (const X509SVID& svid : svids) *response.add_svids() = svid;
    return response;
  }
  void Start(const std::string& hint = "") {
    auto source = WorkloadApiSource::Create(*loop_, {.id = *base::SpiffeId::Parse(kId),
                                                     .endpoint = absl::StrCat("unix://", socket_),
                                                     .hint = hint,
                                                     .first_wait = absl::Milliseconds(10),
                                                     .longest_wait = absl::Milliseconds(50)});
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
    source_->Start(recorder_);
  }
  bool AwaitIdentity() {
    return test::RunUntil(*loop_, [&] { return !recorder_.identities.empty(); });
  }
  bool AwaitFailure() {
    return test::RunUntil(*loop_, [&] { return !recorder_.failures.empty(); });
  }
  void ExpectRefused(identity::Failure failure, const std::string& text) {
    Start();
    ASSERT_TRUE(AwaitFailure());
    EXPECT_EQ(Name(recorder_.failures[0]), Name(failure)) << recorder_.last_error;
    EXPECT_THAT(recorder_.last_error, HasSubstr(text));
    EXPECT_THAT(recorder_.identities, IsEmpty());
  }

  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }

  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_.File("agent.sock");
  test::TemporaryCa ca_;
  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  FakeAgent agent_{socket_};
  identity::Recorder recorder_;
  std::unique_ptr<WorkloadApiSource> source_;
};

TEST(WorkloadApiTargetTest, ReadsTheFormsOfTheStandard) {
  EXPECT_EQ(*WorkloadApiTarget("unix:///run/spire/agent.sock"), "unix:/run/spire/agent.sock");
  EXPECT_EQ(*WorkloadApiTarget("unix:/run/spire/agent.sock"), "unix:/run/spire/agent.sock");
  EXPECT_EQ(*WorkloadApiTarget("tcp://127.0.0.1:8000"), "127.0.0.1:8000");
  for (const char* bad : {"", "unix://", "unix://relative", "tcp://host:1", "tcp://1.2.3.4", "x"}) {
    EXPECT_FALSE(WorkloadApiTarget(bad).ok()) << bad;
  }
}

TEST_F(WorkloadApiSourceTest, TakesItsOwnIdentityOutOfSeveral) {
  agent_.message = Response({Svid(kOther), Svid(kId)});
  Start();
  ASSERT_TRUE(AwaitIdentity()) << recorder_.last_error;
  EXPECT_EQ(recorder_.identities[0]->id().text(), kId);
  EXPECT_EQ(agent_.headers, agent_.calls);
}

TEST_F(WorkloadApiSourceTest, ChoosesByHintWhenToldTo) {
  const X509SVID wanted = Svid(kId, "internal");
  agent_.message = Response({Svid(kId, "external"), wanted});
  Start("internal");
  ASSERT_TRUE(AwaitIdentity()) << recorder_.last_error;
  EXPECT_EQ(*tls::CertificatesToDer(recorder_.identities[0]->ChainPem()), wanted.x509_svid());
}

TEST_F(WorkloadApiSourceTest, SaysWhenNoIdentityHasTheHint) {
  agent_.message = Response({Svid(kId)});
  Start("internal");
  ASSERT_TRUE(AwaitFailure());
  EXPECT_THAT(recorder_.last_error, HasSubstr("internal"));
}

TEST_F(WorkloadApiSourceTest, SaysWhenTheWorkloadIsNotRegistered) {
  agent_.status = grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no identity issued");
  ExpectRefused(identity::Failure::kRefused, "registered");
  agent_.Answer(Response({Svid(kId)}));
  EXPECT_TRUE(AwaitIdentity()) << "it asks again";
}

TEST_F(WorkloadApiSourceTest, RefusesTheIdentityOfSomebodyElse) {
  agent_.message = Response({Svid(kOther)});
  ExpectRefused(identity::Failure::kWrongIdentity, "sa/frontend");
}

TEST_F(WorkloadApiSourceTest, RefusesAKeyThatDoesNotFit) {
  X509SVID svid = Svid(kId);
  svid.set_x509_svid_key(Svid(kId).x509_svid_key());
  agent_.message = Response({svid});
  ExpectRefused(identity::Failure::kBadReply, "another key");
}

TEST_F(WorkloadApiSourceTest, RefusesAMessageWithoutRoots) {
  X509SVID svid = Svid(kId);
  svid.clear_bundle();
  agent_.message = Response({svid});
  ExpectRefused(identity::Failure::kBadReply, "bundle");
}

TEST_F(WorkloadApiSourceTest, RefusesAnEmptyMessage) {
  ExpectRefused(identity::Failure::kBadReply, "registered");
}

}  // namespace
}  // namespace kith::control
