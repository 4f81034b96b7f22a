// What a Service's sessionAffinity means for its clients.
#include <gtest/gtest.h>

#include <string>

#include "source/controlplane/distribution/mesh_builder.h"
#include "source/controlplane/registry/file_set.h"

namespace kith::controlplane {
namespace {

constexpr char kService[] = R"(
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: demo}
spec:
  selector: {app: backend}
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 10800}}
  ports: [{name: http, port: 80}, {name: admin, port: 90}]
)";

mesh::v1::Service Backend(const std::string& rule) {
  FileSet set({});
  FileSet::Files files = {{"service.yaml", kService}};
  if (!rule.empty()) files.emplace("rule.yaml", rule);
  set.Apply(files);
  for (const FileReport& report : set.reports()) EXPECT_TRUE(report.status.ok()) << report.status;
  MeshBuilder builder{MeshOptions{}};
  builder.SetState(set.state());
  return builder.ServiceOf("backend.demo.svc.cluster.local").value_or(mesh::v1::Service());
}

TEST(SessionAffinityTest, KeepsAClientAtItsEndpoint) {
  const mesh::v1::Service service = Backend("");
  ASSERT_EQ(service.ports_size(), 2);
  for (const mesh::v1::ServicePort& port : service.ports()) {
    EXPECT_TRUE(port.traffic_policy().load_balancer().consistent_hash().use_source_ip());
  }
}

TEST(SessionAffinityTest, GivesWayToARuleThatSaysHowToChoose) {
  const mesh::v1::Service service = Backend(R"(
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend, namespace: demo}
spec:
  host: backend
  trafficPolicy:
    loadBalancer: {simple: RANDOM}
    portLevelSettings:
    - port: {number: 90}
      connectionPool: {tcp: {maxConnections: 3}}
)");
  ASSERT_EQ(service.ports_size(), 2);
  EXPECT_FALSE(service.ports(0).traffic_policy().load_balancer().has_consistent_hash());
  const networking::v1::TrafficPolicy& other = service.ports(1).traffic_policy();
  EXPECT_TRUE(other.load_balancer().consistent_hash().use_source_ip());
  EXPECT_EQ(other.connection_pool().tcp().max_connections(), 3u);
}

}  // namespace
}  // namespace kith::controlplane
