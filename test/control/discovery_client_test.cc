#include "source/control/discovery_client.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "kith/mesh/v1/resources.pb.h"
#include "test/control/fake_control_plane.h"
#include "test/support/run_until.h"
#include "test/support/temporary_directory.h"

namespace kith::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Request = FakeControlPlane::Request;
using Response = FakeControlPlane::Response;

constexpr char kServiceType[] = "type.googleapis.com/kith.mesh.v1.Service";
constexpr char kWorkloadType[] = "type.googleapis.com/kith.mesh.v1.WorkloadConfig";

class Recorder : public DiscoveryClient::Handler {
 public:
  void OnUpdate(const Update& update) override { updates.push_back(update); }
  absl::Status OnTrustBundles(std::vector<tls::TrustBundle::Domain> domains) override {
    bundles = std::move(domains);
    return absl::OkStatus();
  }
  void OnConnected() override { ++connections; }
  void OnDisconnected() override { ++disconnections; }

  std::vector<Update> updates;
  std::vector<tls::TrustBundle::Domain> bundles;
  int connections = 0;
  int disconnections = 0;
};

Response BackendResponse(const std::string& nonce, const std::string& version, uint32_t port) {
  mesh::v1::Service service;
  service.set_host("backend");
  auto& added = *service.add_ports();
  added.set_number(port);
  added.set_protocol(mesh::v1::ServicePort::HTTP);
  Response response;
  response.set_type_url(kServiceType);
  response.set_nonce(nonce);
  auto& resource = *response.add_resources();
  resource.set_name("backend");
  resource.set_version(version);
  resource.mutable_resource()->set_type_url(kServiceType);
  resource.mutable_resource()->set_value(service.SerializeAsString());
  return response;
}

class DiscoveryClientTest : public ::testing::Test {
 protected:
  DiscoveryClientTest() {
    directory_.Write("token", "first.token");
    server_.Start();
    Channel::Options channel;
    channel.address = server_.address();
    channel.server_name = "localhost";
    channel.security = Channel::Security::kPlaintext;
    channel_ = std::make_unique<Channel>(std::move(channel));
    DiscoveryClient::Options options;
    options.name_space = "demo";
    options.trust_domain = "cluster.local";
    options.roots_pem = "ROOTS";
    options.node.set_workload("backend-1");
    (*options.node.mutable_labels())["app"] = "backend";
    auto& inbound = *options.node.add_inbound();
    inbound.set_port(8080);
    inbound.set_address("127.0.0.1:8443");
    options.services = {"backend"};
    options.token_file = directory_.File("token");
    options.first_wait = absl::Milliseconds(2);
    options.longest_wait = absl::Milliseconds(20);
    options.metrics = &metrics_.AddShard();
    client_ = std::make_unique<DiscoveryClient>(*loop_, *channel_, recorder_, std::move(options));
  }

  bool Until(absl::FunctionRef<bool()> happened) { return test::RunUntil(*loop_, happened); }
  // Waits for so many requests in all, and gives the newest.
  Request Await(size_t count) {
    EXPECT_TRUE(Until([&] { return server_.requests().size() >= count; }))
        << "only " << server_.requests().size() << " requests";
    const std::vector<Request> requests = server_.requests();
    return requests.size() < count ? Request() : requests[count - 1];
  }
  static mesh::v1::NodeMetadata NodeOf(const Request& request) {
    std::string json;
    mesh::v1::NodeMetadata node;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(request.node().metadata(), &json).ok());
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &node).ok()) << json;
    return node;
  }

  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  test::TemporaryDirectory directory_;
  telemetry::Metrics metrics_;
  FakeControlPlane server_;
  Recorder recorder_;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<DiscoveryClient> client_;
};

TEST_F(DiscoveryClientTest, IntroducesItselfAndSubscribes) {
  client_->Start();
  Await(3);
  const std::vector<Request> requests = server_.requests();
  ASSERT_TRUE(requests[0].has_node());
  EXPECT_EQ(requests[0].node().id(), "sidecar~127.0.0.1~backend-1.demo~demo.svc.cluster.local");
  const mesh::v1::NodeMetadata node = NodeOf(requests[0]);
  EXPECT_EQ(node.workload(), "backend-1");
  EXPECT_THAT(node.labels(), UnorderedElementsAre(Pair("app", "backend")));
  ASSERT_EQ(node.inbound_size(), 1);
  EXPECT_EQ(node.inbound(0).address(), "127.0.0.1:8443");
  EXPECT_FALSE(requests[1].has_node());
  EXPECT_EQ(requests[1].type_url(), kWorkloadType);
  EXPECT_THAT(requests[2].resource_names_subscribe(), ElementsAre("backend"));
  EXPECT_THAT(server_.authorizations(), ElementsAre("Bearer first.token"));
}

TEST_F(DiscoveryClientTest, IsConnectedOnceTheServerTookTheStreamEvenWithoutAResponse) {
  client_->Start();
  EXPECT_FALSE(client_->report().connected);
  ASSERT_TRUE(Until([&] { return recorder_.connections == 1; }));
  EXPECT_TRUE(client_->report().connected);
  EXPECT_THAT(metrics_.Text(), HasSubstr("kith_control_plane_connected 1\n"));
}

TEST_F(DiscoveryClientTest, AcknowledgesAndHandsOverWhatItTakes) {
  client_->Start();
  Await(3);
  server_.Send(BackendResponse("n1", "v1", 80));
  const Request ack = Await(4);
  EXPECT_EQ(ack.response_nonce(), "n1");
  EXPECT_EQ(ack.type_url(), kServiceType);
  EXPECT_FALSE(ack.has_error_detail());
  ASSERT_EQ(recorder_.updates.size(), 1u);
  EXPECT_NE(recorder_.updates[0].snapshot->FindService("backend"), nullptr);
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("kith_config_updates_total{type=\"Service\",result=\"ack\"} 1\n"));
}

TEST_F(DiscoveryClientTest, RefusesWithTheReasonAndGoesOn) {
  client_->Start();
  Await(3);
  server_.Send(BackendResponse("n1", "v1", 80));
  Await(4);
  server_.Send(BackendResponse("n2", "v2", 99999));
  const Request nack = Await(5);
  EXPECT_EQ(nack.response_nonce(), "n2");
  ASSERT_TRUE(nack.has_error_detail());
  EXPECT_THAT(nack.error_detail().message(), HasSubstr("99999"));
  EXPECT_THAT(client_->report().refused, HasSubstr("99999"));
  EXPECT_EQ(recorder_.updates.size(), 1u);
  EXPECT_THAT(metrics_.Text(), HasSubstr("{type=\"Service\",result=\"nack\"} 1\n"));
  server_.Send(BackendResponse("n3", "v3", 81));
  EXPECT_FALSE(Await(6).has_error_detail());
  EXPECT_EQ(client_->report().refused, "");
}

TEST_F(DiscoveryClientTest, ComesBackWithWhatItHoldsAndAFreshToken) {
  client_->Start();
  Await(3);
  server_.Send(BackendResponse("n1", "v1", 80));
  Await(4);
  directory_.Write("token", "second.token");
  server_.EndStream();
  const Request services = Await(7);
  EXPECT_EQ(services.type_url(), kServiceType);
  EXPECT_THAT(services.resource_names_subscribe(), ElementsAre("backend"));
  EXPECT_THAT(services.initial_resource_versions(), UnorderedElementsAre(Pair("backend", "v1")));
  EXPECT_EQ(services.response_nonce(), "") << "nonces die with their stream";
  EXPECT_TRUE(server_.requests()[4].has_node());
  EXPECT_THAT(server_.authorizations(), ElementsAre("Bearer first.token", "Bearer second.token"));
  ASSERT_TRUE(Until([&] { return recorder_.connections == 2; }));
  EXPECT_EQ(recorder_.disconnections, 1);
}

TEST_F(DiscoveryClientTest, KeepsEverythingWhileTheControlPlaneIsAway) {
  client_->Start();
  Await(3);
  server_.Send(BackendResponse("n1", "v1", 80));
  Await(4);
  server_.Stop();
  ASSERT_TRUE(Until([&] { return !client_->report().connected; }));
  EXPECT_THAT(client_->report().last_error, HasSubstr(server_.address()));
  EXPECT_NE(client_->current().snapshot->FindService("backend"), nullptr);
  EXPECT_EQ(recorder_.updates.size(), 1u);
  EXPECT_THAT(metrics_.Text(), HasSubstr("kith_control_plane_connected 0\n"));
  server_.Start();
  ASSERT_TRUE(Until([&] { return client_->report().connected; }));
  EXPECT_EQ(client_->report().last_error, "");
  EXPECT_EQ(recorder_.connections, 2);
}

TEST_F(DiscoveryClientTest, LearnsThatAServiceIsGone) {
  client_->Start();
  Await(3);
  server_.Send(BackendResponse("n1", "v1", 80));
  Await(4);
  Response removed;
  removed.set_type_url(kServiceType);
  removed.set_nonce("n2");
  removed.add_removed_resources("backend");
  server_.Send(removed);
  Await(5);
  ASSERT_EQ(recorder_.updates.size(), 2u);
  EXPECT_EQ(recorder_.updates[1].snapshot->FindService("backend"), nullptr);
}

TEST_F(DiscoveryClientTest, TellsWhatItServesNow) {
  client_->Start();
  Await(3);
  mesh::v1::ServedCertificate served;
  served.set_serial("0abc");
  served.set_not_after_unix(1'800'000'000);
  served.set_generation(7);
  client_->SetServedCertificate(served);
  const Request news = Await(4);
  EXPECT_EQ(news.type_url(), "");
  EXPECT_EQ(NodeOf(news).certificate().serial(), "0abc");
  EXPECT_EQ(NodeOf(news).certificate().not_after_unix(), 1'800'000'000);
  EXPECT_EQ(NodeOf(news).certificate().generation(), 7u);
  server_.EndStream();
  Await(7);
  EXPECT_EQ(NodeOf(server_.requests()[4]).certificate().serial(), "0abc");
}

TEST_F(DiscoveryClientTest, TriesAgainWhenItsStreamsAreRefused) {
  server_.RefuseStreams({grpc::StatusCode::UNAUTHENTICATED, "the token has expired"});
  client_->Start();
  ASSERT_TRUE(Until([&] { return server_.streams() >= 3; }));
  EXPECT_FALSE(client_->report().connected);
  EXPECT_THAT(client_->report().last_error,
              ::testing::AllOf(HasSubstr("the token has expired"), HasSubstr("tokenFile")));
  server_.RefuseStreams(grpc::Status::OK);
  ASSERT_TRUE(Until([&] { return client_->report().connected; }));
}

TEST_F(DiscoveryClientTest, TriesAgainWhenThereIsNoToken) {
  ASSERT_EQ(unlink(directory_.File("token").c_str()), 0);
  client_->Start();
  EXPECT_THAT(client_->report().last_error, HasSubstr(directory_.File("token")));
  directory_.Write("token", "late.token");
  ASSERT_TRUE(Until([&] { return client_->report().connected; }));
}

TEST_F(DiscoveryClientTest, SaysGoodByeInGoodOrder) {
  client_->Start();
  Await(3);
  ASSERT_TRUE(Until([&] { return client_->report().connected; }));
  bool gone = false;
  client_->SayGoodbye([&] { gone = true; });
  ASSERT_TRUE(Until([&] { return gone; }));
  EXPECT_EQ(server_.half_closed(), 1);
  EXPECT_EQ(server_.streams(), 1);
  EXPECT_FALSE(client_->report().connected);
}

TEST_F(DiscoveryClientTest, NeedsNoGoodByeWithoutAConnection) {
  server_.Stop();
  client_->Start();
  bool gone = false;
  client_->SayGoodbye([&] { gone = true; });
  EXPECT_FALSE(gone) << "called before it returned";
  ASSERT_TRUE(Until([&] { return gone; }));
}

TEST_F(DiscoveryClientTest, EndsWithAStreamOpenAndAResponseOnItsWay) {
  client_->Start();
  Await(3);
  server_.Send(BackendResponse("n1", "v1", 80));
  client_.reset();
  for (int i = 0; i < 3; ++i) loop_->RunOnce();
  EXPECT_TRUE(recorder_.updates.empty());
}

}  // namespace
}  // namespace kith::control
