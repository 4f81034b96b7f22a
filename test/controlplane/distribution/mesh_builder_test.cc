#include "source/controlplane/distribution/mesh_builder.h"

#include <gtest/gtest.h>

#include "source/controlplane/distribution/resource.h"
#include "source/controlplane/registry/file_set.h"

namespace kith::controlplane {
namespace {

using MutualTLS = security::v1::PeerAuthenticationSpec::MutualTLS;
using mesh::v1::Endpoint;

constexpr char kBackendService[] = R"(
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: demo}
spec:
  selector: {app: backend}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: tcp-data, port: 90, targetPort: 9090}
---
)";

class MeshBuilderTest : public testing::Test {
 protected:
  void Use(std::map<std::string, std::string> files) {
    FileSet::Files texts;
    for (auto& [name, text] : files) texts.emplace(name, text);
    FileSet set({});
    set.Apply(texts);
    for (const FileReport& report : set.reports()) ASSERT_TRUE(report.status.ok()) << report.status;
    builder_.SetState(set.state());
  }
  static Workload Backend(const std::string& name = "b1") {
    return {.name_space = "demo",
            .service_account = "backend",
            .name = name,
            .labels = {{"app", "backend"}, {"version", "1"}},
            .inbound = {{8080, "10.0.0.7:15006"}, {9090, "10.0.0.7:15007"}}};
  }
  mesh::v1::Service Backends() const {
    const auto service = builder_.ServiceOf("backend.demo.svc.cluster.local");
    EXPECT_TRUE(service.has_value());
    return service.value_or(mesh::v1::Service());
  }

  MeshBuilder builder_{MeshOptions{}};
};

TEST_F(MeshBuilderTest, KnowsNoHostThatNobodyDefines) {
  EXPECT_FALSE(builder_.ServiceOf("nobody.example").has_value());
}

TEST_F(MeshBuilderTest, SaysWhereWorkloadsAre) {
  Use({{"a.yaml", std::string(kBackendService) + R"(
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: demo}
spec: {address: 10.0.0.9, labels: {app: backend}, locality: us/us-1}
)"}});
  Workload workload = Backend();
  workload.labels["topology.kubernetes.io/region"] = "eu";
  workload.labels["topology.kubernetes.io/zone"] = "eu-1";
  builder_.SetWorkload(workload);
  EXPECT_EQ(builder_.ConfigOf(workload).config.locality(), "eu/eu-1");
  const mesh::v1::Service service = Backends();
  ASSERT_EQ(service.endpoints_size(), 2);
  EXPECT_EQ(service.endpoints(0).locality(), "eu/eu-1");
  EXPECT_EQ(service.endpoints(1).locality(), "us/us-1");
}

TEST_F(MeshBuilderTest, BuildsAServiceFromConnectedWorkloads) {
  Use({{"a.yaml", kBackendService}});
  builder_.SetWorkload(Backend());
  const mesh::v1::Service service = Backends();
  EXPECT_EQ(service.namespace_(), "demo");
  ASSERT_EQ(service.ports_size(), 2);
  EXPECT_EQ(service.ports(0).protocol(), mesh::v1::ServicePort::HTTP);
  EXPECT_EQ(service.ports(1).protocol(), mesh::v1::ServicePort::TCP);
  ASSERT_EQ(service.endpoints_size(), 1);
  const Endpoint& endpoint = service.endpoints(0);
  EXPECT_EQ(endpoint.workload(), "demo/b1");
  EXPECT_EQ(endpoint.addresses().at(80), "10.0.0.7:15006");
  EXPECT_EQ(endpoint.addresses().at(90), "10.0.0.7:15007");
  EXPECT_EQ(endpoint.principal(), "spiffe://cluster.local/ns/demo/sa/backend");
  EXPECT_EQ(endpoint.tls(), Endpoint::MUTUAL);
  EXPECT_TRUE(endpoint.port_tls().empty());
}

TEST_F(MeshBuilderTest, GivesEachPortWhatTheDestinationRuleSays) {
  const std::string rule = R"(
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
)";
  Use({{"a.yaml", kBackendService}, {"r.yaml", rule}});
  const mesh::v1::Service service = Backends();
  EXPECT_EQ(service.ports(0).traffic_policy().load_balancer().simple(),
            networking::v1::LoadBalancerSettings::RANDOM);
  EXPECT_FALSE(service.ports(1).traffic_policy().has_load_balancer());
  EXPECT_EQ(service.ports(1).traffic_policy().connection_pool().tcp().max_connections(), 3u);
}

TEST_F(MeshBuilderTest, SpeaksToEndpointsAsTheDestinationRuleSays) {
  const auto rule = [](const std::string& policy) {
    return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
           "metadata: {name: backend, namespace: demo}\n"
           "spec: {host: backend, trafficPolicy: " +
           policy + "}\n";
  };
  const std::string no_sidecar =
      "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n"
      "metadata: {name: plain, namespace: demo}\n"
      "spec: {address: 10.0.0.9, labels: {app: backend}}\n";
  Use({{"a.yaml", kBackendService + no_sidecar}});
  builder_.SetWorkload(Backend());
  ASSERT_EQ(Backends().endpoints_size(), 2);

  Use({{"a.yaml", kBackendService + no_sidecar},
       {"r.yaml", rule("{tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 90}, "
                       "outlierDetection: {}}]}")}});
  EXPECT_EQ(Backends().endpoints(0).tls(), Endpoint::MUTUAL);
  EXPECT_EQ(Backends().endpoints(0).port_tls().at(80), Endpoint::PLAINTEXT);
  EXPECT_FALSE(Backends().endpoints(0).port_tls().contains(90));
  EXPECT_EQ(Backends().endpoints(1).tls(), Endpoint::PLAINTEXT);

  Use({{"a.yaml", kBackendService + no_sidecar}, {"r.yaml", rule("{tls: {mode: ISTIO_MUTUAL}}")}});
  ASSERT_EQ(Backends().endpoints_size(), 1) << "one that can prove nothing is left out";
  EXPECT_EQ(Backends().endpoints(0).workload(), "demo/b1");
  EXPECT_EQ(Backends().endpoints(0).tls(), Endpoint::MUTUAL);
}

TEST_F(MeshBuilderTest, TakesNoRuleOfAnotherNamespaceThanTheServices) {
  Use({{"a.yaml", R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: demo}
spec:
  hosts: [db.example]
  ports: [{number: 5432, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.9}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: elsewhere}
spec: {host: db.example, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}
)"}});
  const auto service = builder_.ServiceOf("db.example");
  ASSERT_TRUE(service.has_value());
  EXPECT_FALSE(service->ports(0).has_traffic_policy());
}

TEST_F(MeshBuilderTest, SendsWhatJudgesRequestsToTheWorkloadsItSelects) {
  Use({{"a.yaml", R"(
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: own, namespace: demo}
spec:
  selector: {matchLabels: {app: backend}}
  jwtRules: [{issuer: me}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: everyone, namespace: istio-system}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: elsewhere, namespace: other}
---
apiVersion: mesh.kith.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: limit, namespace: demo}
spec: {limit: {requests: 1}}
---
apiVersion: mesh.kith.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: others, namespace: demo}
spec: {selector: {matchLabels: {app: frontend}}, limit: {requests: 1}}
)"}});
  const mesh::v1::WorkloadConfig config = builder_.ConfigOf(Backend()).config;
  ASSERT_EQ(config.request_authentications_size(), 2);
  EXPECT_EQ(config.request_authentications(0).metadata().name(), "own");
  EXPECT_EQ(config.request_authentications(0).spec().jwt_rules(0).issuer(), "me");
  EXPECT_EQ(config.request_authentications(1).metadata().name(), "everyone");
  ASSERT_EQ(config.rate_limit_policies_size(), 1);
  EXPECT_EQ(config.rate_limit_policies(0).metadata().name(), "limit");
}

TEST_F(MeshBuilderTest, LeavesOutPortsAndWorkloadsThatDoNotAnswer) {
  Use({{"a.yaml", kBackendService}});
  Workload half = Backend("half");
  half.inbound.erase(9090);
  Workload mute = Backend("mute");
  mute.inbound.clear();
  Workload other = Backend("other");
  other.labels = {{"app", "frontend"}};
  Workload foreign = Backend("foreign");
  foreign.name_space = "elsewhere";
  for (const Workload& workload : {half, mute, other, foreign}) builder_.SetWorkload(workload);
  const mesh::v1::Service service = Backends();
  ASSERT_EQ(service.endpoints_size(), 1);
  EXPECT_EQ(service.endpoints(0).workload(), "demo/half");
  EXPECT_EQ(service.endpoints(0).addresses_size(), 1);
}

TEST_F(MeshBuilderTest, SpeaksPlaintextToPortsThatDisableMutualTls) {
  Use({{"a.yaml", kBackendService}, {"p.yaml", R"(
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: p, namespace: demo}
spec:
  selector: {matchLabels: {app: backend}}
  mtls: {mode: STRICT}
  portLevelMtls: {9090: {mode: DISABLE}}
)"}});
  builder_.SetWorkload(Backend());
  mesh::v1::Service service = Backends();
  EXPECT_EQ(service.endpoints(0).tls(), Endpoint::MUTUAL);
  EXPECT_EQ(service.endpoints(0).port_tls().at(90), Endpoint::PLAINTEXT);
  EXPECT_FALSE(service.endpoints(0).port_tls().contains(80));

  Use({{"a.yaml", kBackendService}, {"p.yaml", R"(
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: p, namespace: istio-system}
spec: {mtls: {mode: DISABLE}}
)"}});
  service = Backends();
  EXPECT_EQ(service.endpoints(0).tls(), Endpoint::PLAINTEXT);
}

TEST_F(MeshBuilderTest, BuildsServiceEntriesWithListedEndpoints) {
  Use({{"a.yaml", R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: legacy, namespace: demo}
spec:
  hosts: [db.example, "db.demo.svc.cluster.local"]
  ports:
  - {number: 5432, name: tcp, protocol: TCP, targetPort: 5433}
  - {number: 80, name: web, protocol: HTTP}
  resolution: STATIC
  subjectAltNames: ["spiffe://cluster.local/ns/demo/sa/db"]
  endpoints:
  - {address: 10.0.0.9, weight: 3, ports: {web: 8080}}
  - address: "fd00::1"
    labels: {security.istio.io/tlsMode: istio}
    serviceAccount: db
)"}});
  EXPECT_TRUE(builder_.ServiceOf("db.demo.svc.cluster.local").has_value());
  const auto service = builder_.ServiceOf("db.example");
  ASSERT_TRUE(service.has_value());
  EXPECT_EQ(service->subject_alt_names(0), "spiffe://cluster.local/ns/demo/sa/db");
  ASSERT_EQ(service->endpoints_size(), 2);
  EXPECT_EQ(service->endpoints(0).addresses().at(5432), "10.0.0.9:5433");
  EXPECT_EQ(service->endpoints(0).addresses().at(80), "10.0.0.9:8080");
  EXPECT_EQ(service->endpoints(0).tls(), Endpoint::PLAINTEXT);
  EXPECT_EQ(service->endpoints(0).weight(), 3u);
  EXPECT_EQ(service->endpoints(0).principal(), "");
  EXPECT_EQ(service->endpoints(1).addresses().at(80), "[fd00::1]:80");
  EXPECT_EQ(service->endpoints(1).tls(), Endpoint::MUTUAL);
  EXPECT_EQ(service->endpoints(1).principal(), "spiffe://cluster.local/ns/demo/sa/db");
}

TEST_F(MeshBuilderTest, SelectsWorkloadEntriesUntilTheirSidecarConnects) {
  Use({{"a.yaml", std::string(kBackendService) + R"(
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: b1, namespace: demo}
spec: {address: 10.0.0.8, labels: {app: backend}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: b1, namespace: elsewhere}
spec: {address: 10.0.0.66, labels: {app: backend}}
)"}});
  mesh::v1::Service service = Backends();
  ASSERT_EQ(service.endpoints_size(), 1);
  EXPECT_EQ(service.endpoints(0).addresses().at(80), "10.0.0.8:8080");
  EXPECT_EQ(service.endpoints(0).tls(), Endpoint::PLAINTEXT);
  builder_.SetWorkload(Backend("b1"));
  service = Backends();
  ASSERT_EQ(service.endpoints_size(), 1);
  EXPECT_EQ(service.endpoints(0).tls(), Endpoint::MUTUAL);
  builder_.RemoveWorkload("demo", "b1");
  EXPECT_EQ(Backends().endpoints(0).addresses().at(80), "10.0.0.8:8080");
}

TEST_F(MeshBuilderTest, GivesAWorkloadItsPoliciesAndModes) {
  Use({{"a.yaml", R"(
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: z-mine, namespace: demo, annotations: {note: x}}
spec: {selector: {matchLabels: {app: backend}}, rules: [{}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: mesh
  namespace: istio-system
  annotations: {istio.io/dry-run: "true", note: x}
spec: {action: DENY, rules: [{to: [{operation: {methods: [TRACE]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: others, namespace: demo}
spec: {selector: {matchLabels: {app: frontend}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: foreign, namespace: elsewhere}
spec: {}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: p, namespace: demo}
spec:
  selector: {matchLabels: {app: backend}}
  mtls: {mode: STRICT}
  portLevelMtls: {9090: {mode: PERMISSIVE}}
)"}});
  const auto view = builder_.ConfigOf(Backend());
  EXPECT_TRUE(view.problem.ok()) << view.problem;
  const mesh::v1::WorkloadConfig& config = view.config;
  EXPECT_EQ(config.trust_domain(), "cluster.local");
  EXPECT_EQ(config.root_namespace(), "istio-system");
  ASSERT_EQ(config.authorization_policies_size(), 2);
  EXPECT_EQ(config.authorization_policies(0).metadata().name(), "z-mine");  // demo < istio-system.
  EXPECT_TRUE(config.authorization_policies(0).metadata().annotations().empty());
  EXPECT_EQ(config.authorization_policies(0).spec().rules_size(), 1);
  EXPECT_EQ(config.authorization_policies(1).metadata().name(), "mesh");
  // Without it a policy that is only tried out would be enforced.
  const auto& annotations = config.authorization_policies(1).metadata().annotations();
  ASSERT_EQ(annotations.size(), 1u);
  EXPECT_EQ(annotations.at("istio.io/dry-run"), "true");
  EXPECT_EQ(config.mtls_mode(), MutualTLS::STRICT);
  EXPECT_EQ(config.port_mtls_modes().at(9090), MutualTLS::PERMISSIVE);
}

TEST_F(MeshBuilderTest, GivesTheTrustPoliciesThatSelectAWorkloadInTheirOrder) {
  Use({{"a.yaml", kBackendService}, {"t.yaml", R"(
apiVersion: mesh.kith.dev/v1alpha1
kind: TrustPolicy
metadata: {name: wide, namespace: istio-system}
spec: {revocation: SOFT}
---
apiVersion: mesh.kith.dev/v1alpha1
kind: TrustPolicy
metadata: {name: others, namespace: demo}
spec: {selector: {matchLabels: {app: other}}, revocation: "OFF"}
---
apiVersion: mesh.kith.dev/v1alpha1
kind: TrustPolicy
metadata: {name: own, namespace: demo, annotations: {a: b}}
spec: {selector: {matchLabels: {app: backend}}, revocation: HARD}
)"}});
  const mesh::v1::WorkloadConfig config = builder_.ConfigOf(Backend()).config;
  ASSERT_EQ(config.trust_policies_size(), 2);
  EXPECT_EQ(config.trust_policies(0).metadata().name(), "own");
  EXPECT_EQ(config.trust_policies(0).spec().revocation(), trust::v1::TrustPolicySpec::HARD);
  EXPECT_TRUE(config.trust_policies(0).metadata().annotations().empty());
  EXPECT_EQ(config.trust_policies(1).metadata().name(), "wide");
}

TEST_F(MeshBuilderTest, IsPermissiveWithoutPeerAuthentication) {
  EXPECT_EQ(builder_.ConfigOf(Backend()).config.mtls_mode(), MutualTLS::PERMISSIVE);
}

TEST_F(MeshBuilderTest, GivesStrictWhenPeerAuthenticationsContradictEachOther) {
  Use({{"a.yaml", R"(
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: one, namespace: demo}
spec: {selector: {matchLabels: {app: backend}}, mtls: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: two, namespace: demo}
spec: {selector: {matchLabels: {version: "1"}}, mtls: {mode: PERMISSIVE}}
)"}});
  const auto view = builder_.ConfigOf(Backend());
  EXPECT_FALSE(view.problem.ok());
  EXPECT_EQ(view.config.mtls_mode(), MutualTLS::STRICT);
}

TEST_F(MeshBuilderTest, GivesEqualInputsEqualVersions) {
  const std::string policy = R"(
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: NAME, namespace: demo}
spec: {}
)";
  std::string one = policy, two = policy;
  one.replace(one.find("NAME"), 4, "one");
  two.replace(two.find("NAME"), 4, "two");
  Use({{"a.yaml", one}, {"b.yaml", two}});
  const auto first = Encode(builder_.ConfigOf(Backend()).config);
  Use({{"a.yaml", two}, {"b.yaml", one}});
  const auto second = Encode(builder_.ConfigOf(Backend()).config);
  EXPECT_EQ(first->version, second->version);
  EXPECT_EQ(first->bytes, second->bytes);
  Use({{"a.yaml", one}});
  EXPECT_NE(Encode(builder_.ConfigOf(Backend()).config)->version, first->version);
}

TEST_F(MeshBuilderTest, TellsBytesApartByTheirFingerprint) {
  EXPECT_EQ(Fingerprint("").size(), 32u);
  EXPECT_NE(Fingerprint("a"), Fingerprint("b"));
  EXPECT_NE(Fingerprint("a"), Fingerprint(absl::string_view("a\0", 2)));
  // The published value of FNV-1a's 128 bits for "foobar": a change would resend everything.
  EXPECT_EQ(Fingerprint("foobar"), "343e1662793c64bf6f0d3597ba446f18");
}

// ---- Addresses ----

constexpr char kAddressedService[] = R"(
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: demo}
spec:
  clusterIPs: [10.96.0.7, "FD96::7"]
  selector: {app: backend}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
)";

Workload Captured(const std::string& name, const std::string& ip, bool proven) {
  return {.name_space = "demo",
          .service_account = "backend",
          .name = name,
          .labels = {{"app", "backend"}},
          .inbound = {},
          .captured = {{ip, proven}}};
}

TEST_F(MeshBuilderTest, FindsAServiceByItsVirtualAddresses) {
  Use({{"a.yaml", kAddressedService}});
  for (const char* address : {"10.96.0.7", "fd96::7"}) {
    const auto service = builder_.ServiceOf(address);
    ASSERT_TRUE(service.has_value()) << address;
    EXPECT_EQ(service->host(), "backend.demo.svc.cluster.local");
  }
  EXPECT_FALSE(builder_.ServiceOf("10.96.0.8").has_value());
}

TEST_F(MeshBuilderTest, ReachesEveryPortOfACapturedWorkload) {
  Use({{"a.yaml", kAddressedService}});
  builder_.SetWorkload(Captured("b1", "10.1.0.7", true));
  ASSERT_EQ(Backends().endpoints_size(), 1);
  EXPECT_EQ(Backends().endpoints(0).addresses().at(80), "10.1.0.7:8080");
  const auto workload = builder_.ServiceOf("10.1.0.7");
  ASSERT_TRUE(workload.has_value());
  EXPECT_EQ(workload->host(), "10.1.0.7");
  EXPECT_EQ(workload->captured_workload().workload(), "demo/b1");
  EXPECT_EQ(workload->captured_workload().principal(), "spiffe://cluster.local/ns/demo/sa/backend");
  EXPECT_EQ(workload->captured_workload().tls(), Endpoint::MUTUAL);
}

TEST_F(MeshBuilderTest, BelievesTheClaimThatItsConnectionProves) {
  builder_.SetWorkload(Captured("liar", "10.1.0.7", false));
  builder_.SetWorkload(Captured("b1", "10.1.0.7", true));
  EXPECT_EQ(builder_.ServiceOf("10.1.0.7")->captured_workload().workload(), "demo/b1");
  builder_.RemoveWorkload("demo", "b1");
  EXPECT_EQ(builder_.ServiceOf("10.1.0.7")->captured_workload().workload(), "demo/liar");
}

TEST_F(MeshBuilderTest, BelievesNoneOfEqualClaims) {
  builder_.SetWorkload(Captured("b1", "10.1.0.7", false));
  builder_.SetWorkload(Captured("b2", "10.1.0.7", false));
  EXPECT_FALSE(builder_.ServiceOf("10.1.0.7").has_value());
}

TEST_F(MeshBuilderTest, ForgetsAnAddressThatItsWorkloadNoLongerClaims) {
  builder_.SetWorkload(Captured("b1", "10.1.0.7", true));
  builder_.SetWorkload(Captured("b1", "10.1.0.8", true));
  EXPECT_FALSE(builder_.ServiceOf("10.1.0.7").has_value());
  EXPECT_TRUE(builder_.ServiceOf("10.1.0.8").has_value());
}

}  // namespace
}  // namespace kith::controlplane
