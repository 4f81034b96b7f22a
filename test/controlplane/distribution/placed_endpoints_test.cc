#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "source/controlplane/distribution/mesh_builder.h"
#include "source/controlplane/registry/file_set.h"

namespace kith::controlplane {
namespace {

using mesh::v1::Endpoint;

constexpr char kHost[] = "web.demo.svc.cluster.local";
// As the cluster's API names it: its ports are its EndpointSlices' business.
constexpr char kService[] = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: web}]
)";

class PlacedEndpointsTest : public testing::Test {
 protected:
  PlacedEndpointsTest() { Use(kService, ""); }

  void Use(const std::string& service, const std::string& entry) {
    FileSet::Files texts = {{"kubernetes/Service/demo/web", service}};
    if (!entry.empty()) texts.emplace("kubernetes/Pod/demo/plain", entry);
    FileSet set({});
    set.Apply(texts);
    for (const FileReport& report : set.reports()) ASSERT_TRUE(report.status.ok()) << report.status;
    builder_.SetState(set.state());
  }
  void Place(std::vector<PlacedEndpoint> endpoints) {
    auto placed = std::make_shared<PlacedEndpoints>();
    (*placed)[kHost] = std::move(endpoints);
    builder_.SetPlaced(placed);
  }
  static PlacedEndpoint At(const std::string& ip, const std::string& pod, uint32_t port = 8080) {
    return {.ip = ip, .pod = pod, .ports = {{"http", port}}};
  }
  static Workload Pod(const std::string& name, const std::string& ip) {
    return {.name_space = "demo",
            .service_account = "web",
            .name = name,
            .labels = {{"app", "web"}},
            .inbound = {},
            .captured = {{ip, true}}};
  }
  mesh::v1::Service Web() const { return builder_.ServiceOf(kHost).value_or(mesh::v1::Service()); }

  MeshBuilder builder_{MeshOptions{}};
};

TEST_F(PlacedEndpointsTest, GiveNamedPortsTheirNumbersPodByPod) {
  builder_.SetWorkload(Pod("web-1", "10.0.0.1"));
  builder_.SetWorkload(Pod("web-2", "10.0.0.2"));
  EXPECT_EQ(Web().endpoints_size(), 0) << "nobody knows the port";
  Place({At("10.0.0.1", "web-1"), At("10.0.0.2", "web-2", 9090)});
  const mesh::v1::Service service = Web();
  ASSERT_EQ(service.endpoints_size(), 2);
  EXPECT_EQ(service.endpoints(0).addresses().at(80), "10.0.0.1:8080");
  EXPECT_EQ(service.endpoints(1).addresses().at(80), "10.0.0.2:9090");
  EXPECT_EQ(service.endpoints(1).principal(), "spiffe://cluster.local/ns/demo/sa/web");
}

TEST_F(PlacedEndpointsTest, LeaveOutWhoeverClaimsTheLabelsAlone) {
  builder_.SetWorkload(Pod("web-1", "10.0.0.1"));
  builder_.SetWorkload(Pod("impostor", "10.0.0.66"));
  Place({At("10.0.0.1", "web-1")});
  ASSERT_EQ(Web().endpoints_size(), 1);
  EXPECT_EQ(Web().endpoints(0).workload(), "demo/web-1");
}

TEST_F(PlacedEndpointsTest, LeaveOutPodsThatDoNotServe) {
  builder_.SetWorkload(Pod("web-1", "10.0.0.1"));
  PlacedEndpoint ending = At("10.0.0.1", "web-1");
  ending.serves = false;
  Place({ending});
  EXPECT_EQ(Web().endpoints_size(), 0);
}

TEST_F(PlacedEndpointsTest, CountAPodOfTwoFamiliesOnce) {
  Workload pod = Pod("web-1", "10.0.0.1");
  pod.captured["fd00::1"] = false;
  builder_.SetWorkload(pod);
  Place({At("10.0.0.1", "web-1"), At("fd00::1", "web-1")});
  ASSERT_EQ(Web().endpoints_size(), 1);
  EXPECT_EQ(Web().endpoints(0).addresses().at(80), "10.0.0.1:8080");
}

TEST_F(PlacedEndpointsTest, SendPlaintextToPodsWithoutSidecarsAndToMachines) {
  Use(kService, R"(
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: plain, namespace: demo}
spec: {address: 10.0.0.3, labels: {app: web}}
)");
  Place({At("10.0.0.3", "plain"), At("192.0.2.1", ""), At("10.0.0.4", "not-connected")});
  const mesh::v1::Service service = Web();
  ASSERT_EQ(service.endpoints_size(), 2);
  EXPECT_EQ(service.endpoints(0).addresses().at(80), "10.0.0.3:8080");
  EXPECT_EQ(service.endpoints(0).tls(), Endpoint::PLAINTEXT);
  EXPECT_EQ(service.endpoints(0).workload(), "demo/plain");
  EXPECT_EQ(service.endpoints(1).addresses().at(80), "192.0.2.1:8080");
  EXPECT_EQ(service.endpoints(1).tls(), Endpoint::PLAINTEXT);
}

TEST_F(PlacedEndpointsTest, ServeServicesWithoutSelectors) {
  Use(R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {ports: [{port: 80}]}
)",
      "");
  EXPECT_EQ(Web().endpoints_size(), 0);
  Place({{.ip = "192.0.2.1", .pod = "", .ports = {{"", 5432}}}});
  ASSERT_EQ(Web().endpoints_size(), 1);
  EXPECT_EQ(Web().endpoints(0).addresses().at(80), "192.0.2.1:5432");
}

TEST_F(PlacedEndpointsTest, DoNotReachIntoAnotherNamespace) {
  Workload foreign = Pod("web-1", "10.0.0.1");
  foreign.name_space = "other";
  builder_.SetWorkload(foreign);
  Place({At("10.0.0.1", "web-1")});
  EXPECT_EQ(Web().endpoints_size(), 0);
}

TEST_F(PlacedEndpointsTest, LeaveAnExternalNameToDns) {
  Use(R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {type: ExternalName, externalName: db.example, ports: [{port: 5432}]}
)",
      "");
  // Its address comes with the name's (registry/name_resolution.h).
  ASSERT_EQ(Web().endpoints_size(), 1);
}

TEST_F(PlacedEndpointsTest, TellAWorkloadWhereItsServicesDeclareHttp2) {
  const auto ports = [&](const Workload& pod) {
    const auto listed = builder_.ConfigOf(pod).config.http2_ports();
    return std::vector<uint32_t>(listed.begin(), listed.end());
  };
  Use(R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec:
  selector: {app: web}
  ports:
  - {name: grpc, port: 80, targetPort: web}
  - {name: http, port: 81, targetPort: 8081}
  - {name: http2-two, port: 82, targetPort: 8081}
  - {name: tcp, port: 83, targetPort: 8083}
)",
      "");
  Place({{.ip = "10.0.0.1", .pod = "web-1", .ports = {{"grpc", 9090}, {"http", 8081}}},
         {.ip = "10.0.0.2", .pod = "web-2", .ports = {{"grpc", 9091}}}});
  EXPECT_EQ(ports(Pod("web-1", "10.0.0.1")), std::vector<uint32_t>{9090});
  EXPECT_EQ(ports(Pod("web-2", "10.0.0.2")), std::vector<uint32_t>{9091});
  Workload other = Pod("other-1", "10.0.0.3");
  other.labels = {{"app", "other"}};
  EXPECT_TRUE(ports(other).empty());
  builder_.SetPlaced(std::make_shared<PlacedEndpoints>());
  EXPECT_TRUE(ports(Pod("web-1", "10.0.0.1")).empty())
      << "nobody knows the named port, and two declare 8081 differently";
}

}  // namespace
}  // namespace kith::controlplane
