// Distribution over real gRPC streams.
#include "source/controlplane/distribution/discovery_service.h"

#include <gtest/gtest.h>

#include "test/controlplane/distribution/discovery_fixture.h"

namespace kith::controlplane {
namespace {

constexpr char kDocuments[] = R"(
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: demo}
spec:
  selector: {app: backend}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: demo}
spec: {mtls: {mode: STRICT}}
)";
constexpr char kBackendHost[] = "backend.demo.svc.cluster.local";

class DiscoveryServiceTest : public testing::Test {
 protected:
  DiscoveryServiceTest() { Start(); }

  void Start() {
    server_ = std::make_unique<ControlPlane>(clock_, directory_.File("workloads.json"));
    server_->SetDocuments(kDocuments);
  }

  static Sidecar Frontend() { return {.name = "frontend", .service_account = "frontend"}; }
  static Sidecar Backend(const std::string& name = "backend-1") {
    return {.name = name,
            .service_account = "backend",
            .labels = {{"app", "backend"}},
            .inbound = {{8080, "10.0.0.7:15006"}}};
  }
  // Opens, and is known to the server when this returns.
  std::unique_ptr<Client> Connect(const Sidecar& sidecar) {
    auto client = std::make_unique<Client>(*server_, sidecar);
    client->Open(kWorkloadConfigType, {"self"});
    EXPECT_TRUE(client->Take().has_value());
    return client;
  }
  void AwaitDisconnected(const std::string& name) {
    for (int i = 0; i < 3000; ++i) {
      for (const auto& report : server_->Workloads()) {
        if (report.record.workload.name == name && report.record.stream == Roster::kNoStream) {
          return;
        }
      }
      absl::SleepFor(absl::Milliseconds(2));  // The transport's end has no event of its own here.
    }
    ADD_FAILURE() << name << " stays connected";
  }

  test::ManualClock clock_;
  test::TemporaryDirectory directory_;
  std::unique_ptr<ControlPlane> server_;
};

TEST_F(DiscoveryServiceTest, SendsOwnConfigurationServicesAndRoots) {
  Client client(*server_, Frontend());
  client.Open(kWorkloadConfigType, {"self"});
  const auto config = client.Take();
  ASSERT_TRUE(config.has_value());
  mesh::v1::WorkloadConfig workload;
  ASSERT_TRUE(config->resources(0).resource().UnpackTo(&workload));
  EXPECT_EQ(workload.mtls_mode(), security::v1::PeerAuthenticationSpec::MutualTLS::STRICT);

  client.Subscribe(kServiceType, {kBackendHost});
  const mesh::v1::Service service = Client::ServiceIn(client.Take());
  EXPECT_EQ(service.host(), kBackendHost);
  EXPECT_EQ(service.endpoints_size(), 0);

  client.Subscribe(kTrustBundleType, {"*"});
  const auto bundle = client.Take();
  ASSERT_TRUE(bundle.has_value());
  EXPECT_EQ(bundle->resources(0).name(), "cluster.local");
}

TEST_F(DiscoveryServiceTest, RefusesABadToken) {
  Client client(*server_, {.name = "x", .name_space = "too/many", .service_account = "parts"});
  const grpc::Status status = client.AwaitEnd();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "a bad token");
}

TEST_F(DiscoveryServiceTest, RefusesAFirstMessageWithoutNode) {
  Client client(*server_, Frontend());
  client.Subscribe(kServiceType, {kBackendHost});
  EXPECT_EQ(client.AwaitEnd().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(DiscoveryServiceTest, RefusesBadMetadataWithTheReason) {
  Sidecar sidecar = Frontend();
  sidecar.inbound = {{8080, "not an address"}};
  Client client(*server_, sidecar);
  client.Open(kWorkloadConfigType, {"self"});
  const grpc::Status status = client.AwaitEnd();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("inbound.address"), std::string::npos);
}

TEST_F(DiscoveryServiceTest, RefusesTypesItDoesNotHave) {
  Client client(*server_, Frontend());
  client.Open("type.googleapis.com/envoy.config.cluster.v3.Cluster", {"*"});
  EXPECT_EQ(client.AwaitEnd().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(DiscoveryServiceTest, ShowsAnEndpointWhileItsSidecarIsConnected) {
  const auto frontend = Connect(Frontend());
  frontend->Subscribe(kServiceType, {kBackendHost});
  EXPECT_EQ(Client::ServiceIn(frontend->Take()).endpoints_size(), 0);

  const auto backend = Connect(Backend());
  const mesh::v1::Service with = Client::ServiceIn(frontend->Take());
  ASSERT_EQ(with.endpoints_size(), 1);
  EXPECT_EQ(with.endpoints(0).workload(), "demo/backend-1");
  EXPECT_EQ(with.endpoints(0).addresses().at(80), "10.0.0.7:15006");
  EXPECT_EQ(with.endpoints(0).principal(), "spiffe://cluster.local/ns/demo/sa/backend");
  EXPECT_EQ(with.endpoints(0).tls(), mesh::v1::Endpoint::MUTUAL);

  EXPECT_TRUE(backend->SayGoodbye().ok());
  EXPECT_EQ(Client::ServiceIn(frontend->Take()).endpoints_size(), 0);
}

TEST_F(DiscoveryServiceTest, KeepsAnEndpointForAWhileAfterItsStreamIsLost) {
  auto backend = Connect(Backend());
  const auto frontend = Connect(Frontend());
  frontend->Subscribe(kServiceType, {kBackendHost});
  EXPECT_EQ(Client::ServiceIn(frontend->Take()).endpoints_size(), 1);
  const int pushes = server_->counts.pushes;

  backend->BreakOff();
  AwaitDisconnected("backend-1");
  clock_.Advance(absl::Seconds(4));
  server_->Tick();
  backend = Connect(Backend());  // Back in time: nobody notices.
  backend->BreakOff();
  AwaitDisconnected("backend-1");
  clock_.Advance(absl::Seconds(4));
  server_->Tick();
  clock_.Advance(absl::Seconds(2));
  server_->Tick();
  EXPECT_EQ(Client::ServiceIn(frontend->Take()).endpoints_size(), 0);
  // The backend's own configuration when it came back, and this: nothing in between.
  EXPECT_EQ(server_->counts.pushes, pushes + 2);
}

TEST_F(DiscoveryServiceTest, GoesOnAfterARefusalWithTheNextVersion) {
  Client frontend(*server_, Frontend());
  frontend.Open(kServiceType, {kBackendHost});
  const auto refused = frontend.Read();
  ASSERT_TRUE(refused.has_value());
  frontend.Refuse(*refused, "I do not like it");
  const auto backend = Connect(Backend());
  EXPECT_EQ(Client::ServiceIn(frontend.Read()).endpoints_size(), 1);
  EXPECT_EQ(server_->counts.nacks, 1);
  bool seen = false;
  for (const auto& report : server_->Workloads()) {
    for (const auto& config : report.config) seen |= config.error == "I do not like it";
  }
  EXPECT_TRUE(seen);
}

TEST_F(DiscoveryServiceTest, SendsNothingAgainToAClientThatHoldsIt) {
  std::string version;
  {
    const auto first = Connect(Frontend());
    first->Subscribe(kServiceType, {kBackendHost});
    version = first->Take()->resources(0).version();
  }
  Client again(*server_, Frontend());
  again.Open(kServiceType, {kBackendHost, "ghost.demo.svc.cluster.local"},
             {{kBackendHost, version}});
  const auto response = again.Take();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->resources_size(), 0);
  ASSERT_EQ(response->removed_resources_size(), 1);
  EXPECT_EQ(response->removed_resources(0), "ghost.demo.svc.cluster.local");
}

TEST_F(DiscoveryServiceTest, AcceptsAStreamEvenWhenThereIsNothingToSend) {
  Client client(*server_, Frontend());
  client.AwaitAccepted();  // Otherwise this and the good-bye would wait for the deadline.
  EXPECT_TRUE(client.SayGoodbye().ok());
}

TEST_F(DiscoveryServiceTest, ReplacesTheOlderStreamOfAWorkload) {
  const auto older = Connect(Backend());
  const auto newer = Connect(Backend());
  EXPECT_EQ(older->AwaitEnd().error_code(), grpc::StatusCode::ABORTED);
  const auto reports = server_->Workloads();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports[0].record.stream, Roster::kNoStream);
}

TEST_F(DiscoveryServiceTest, RefusesAConnectedWorkloadsNameToAnotherServiceAccount) {
  const auto backend = Connect(Backend());
  Sidecar impostor = Backend();
  impostor.service_account = "intruder";
  Client client(*server_, impostor);
  client.Open(kWorkloadConfigType, {"self"});
  EXPECT_EQ(client.AwaitEnd().error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(server_->Workloads()[0].record.workload.service_account, "backend");
}

TEST_F(DiscoveryServiceTest, SelectsWorkloadsByTheirProvenNamespaceOnly) {
  const auto frontend = Connect(Frontend());
  frontend->Subscribe(kServiceType, {kBackendHost});
  frontend->Take();
  Sidecar foreign = Backend("foreign");
  foreign.name_space = "elsewhere";
  const auto stranger = Connect(foreign);
  const auto backend = Connect(Backend());
  const mesh::v1::Service service = Client::ServiceIn(frontend->Take());
  ASSERT_EQ(service.endpoints_size(), 1);
  EXPECT_EQ(service.endpoints(0).workload(), "demo/backend-1");
}

TEST_F(DiscoveryServiceTest, EndsAStreamWhenItsTokenExpires) {
  Sidecar sidecar = Backend();
  sidecar.token_end = clock_.Now() + absl::Minutes(1);
  const auto client = Connect(sidecar);
  clock_.Advance(absl::Seconds(59));
  server_->Tick();
  client->Subscribe(kServiceType, {kBackendHost});
  EXPECT_TRUE(client->Take().has_value());
  clock_.Advance(absl::Seconds(2));
  server_->Tick();
  EXPECT_EQ(client->AwaitEnd().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(DiscoveryServiceTest, TakesNewsOfTheNode) {
  const auto client = Connect(Frontend());
  Subscription::Request news;
  *news.mutable_node() = Frontend().Node();
  auto& fields = *news.mutable_node()->mutable_metadata()->mutable_fields();
  auto& certificate = *fields["certificate"].mutable_struct_value()->mutable_fields();
  certificate["serial"].set_string_value("abc");
  certificate["generation"].set_string_value("2");
  client->Send(news);
  client->Subscribe(kTrustBundleType, {"*"});
  ASSERT_TRUE(client->Take().has_value());  // The news came before.
  EXPECT_EQ(server_->Workloads()[0].record.certificate.serial(), "abc");
  EXPECT_EQ(server_->Workloads()[0].record.certificate.generation(), 2u);
}

TEST_F(DiscoveryServiceTest, KeepsEndpointsOverItsOwnRestart) {
  std::string version;
  {
    const auto backend = Connect(Backend());
    const auto frontend = Connect(Frontend());
    frontend->Subscribe(kServiceType, {kBackendHost});
    version = frontend->Take()->resources(0).version();
    server_.reset();
  }
  Start();
  const auto frontend = Connect(Frontend());  // The backend is not back yet.
  frontend->Subscribe(kServiceType, {kBackendHost});
  const auto response = frontend->Take();
  EXPECT_EQ(Client::ServiceIn(response).endpoints_size(), 1);
  EXPECT_EQ(response->resources(0).version(), version);

  clock_.Advance(absl::Seconds(31));
  server_->Tick();
  EXPECT_EQ(Client::ServiceIn(frontend->Take()).endpoints_size(), 0);
}

}  // namespace
}  // namespace kith::controlplane
