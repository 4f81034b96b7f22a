// Where a workload is whose labels do not say it.
#include <gtest/gtest.h>

#include <string>

#include "source/controlplane/distribution/mesh_builder.h"
#include "source/controlplane/registry/file_set.h"

namespace kith::controlplane {
namespace {

constexpr char kDocuments[] = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-2, namespace: demo}
spec: {address: 10.0.0.2, labels: {app: web}}
)";

class NodeLocalityTest : public testing::Test {
 protected:
  NodeLocalityTest() {
    FileSet set({});
    set.Apply({{"mesh.yaml", kDocuments}});
    builder_.SetState(set.state());
  }
  static MeshOptions Options() {
    MeshOptions options;
    options.locality_of = [](const std::string& name_space, const std::string& name) {
      return "node-of/" + name_space + "-" + name;
    };
    return options;
  }
  static Workload Web(const Labels& labels) {
    return {.name_space = "demo",
            .service_account = "web",
            .name = "web-1",
            .labels = labels,
            .inbound = {},
            .captured = {{"10.0.0.1", true}}};
  }

  MeshBuilder builder_{Options()};
};

TEST_F(NodeLocalityTest, TellsAWorkloadAndItsClients) {
  const Workload web = Web({{"app", "web"}});
  builder_.SetWorkload(web);
  EXPECT_EQ(builder_.ConfigOf(web).config.locality(), "node-of/demo-web-1");
  const auto service = builder_.ServiceOf("web.demo.svc.cluster.local");
  ASSERT_TRUE(service.has_value());
  ASSERT_EQ(service->endpoints_size(), 2);
  EXPECT_EQ(service->endpoints(0).locality(), "node-of/demo-web-1");
  EXPECT_EQ(service->endpoints(1).locality(), "node-of/demo-web-2");
}

TEST_F(NodeLocalityTest, GivesWayToTheLabels) {
  const Workload web = Web({{"app", "web"}, {"topology.kubernetes.io/region", "eu"}});
  EXPECT_EQ(builder_.ConfigOf(web).config.locality(), "eu");
}

}  // namespace
}  // namespace kith::controlplane
