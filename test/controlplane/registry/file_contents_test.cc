#include "source/controlplane/registry/file_contents.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace kith::controlplane {
namespace {

absl::StatusOr<std::shared_ptr<const FileContents>> Decode(const std::string& text) {
  return DecodeFile(text, "f.yaml", {});
}

std::string ServiceWith(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: n}\nspec: ", spec, "\n");
}

std::string EntryWith(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
      "metadata: {name: e, namespace: n}\nspec: ",
      spec, "\n");
}

std::string WorkloadEntryWith(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n"
      "metadata: {name: w, namespace: n}\nspec: ",
      spec, "\n");
}

TEST(FileContentsTest, ReadsEveryKind) {
  const auto contents = Decode(R"(
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a}
spec: {}
---
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: a, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1alpha3
kind: WorkloadEntry
metadata: {name: a}
spec: {address: 10.0.0.1}
---
# `kubectl get service -o yaml` prints all this.
apiVersion: v1
kind: Service
metadata: {name: a, resourceVersion: "7", uid: x, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1]
  internalTrafficPolicy: Cluster
  ipFamilies: [IPv4]
  ipFamilyPolicy: SingleStack
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]
  selector: {app: a}
  sessionAffinity: None
  type: NodePort
status: {loadBalancer: {}}
)");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ((*contents)->kinds.size(), 4u);
  ASSERT_EQ((*contents)->services.size(), 1u);
  EXPECT_EQ((*contents)->services[0].host, "a.default.svc.cluster.local");
  EXPECT_EQ((*contents)->authorization_policies[0].metadata().namespace_(), "default");
}

TEST(FileContentsTest, ReadsListsAndJson) {
  const auto contents = Decode(R"({"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
     "metadata": {"name": "a"}, "spec": {"address": "10.0.0.1"}},
    {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
     "metadata": {"name": "b"}, "spec": {"address": "10.0.0.2"}}]})");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ((*contents)->workload_entries.size(), 2u);
}

TEST(FileContentsTest, ChoosesThePortsProtocolByDeclarationThenName) {
  const struct {
    const char* port;
    PortProtocol protocol;
  } cases[] = {
      {"{port: 80, name: http}", PortProtocol::kHttp},
      {"{port: 80, name: http-web}", PortProtocol::kHttp},
      {"{port: 80, name: http2}", PortProtocol::kHttp2},
      {"{port: 80, name: grpc-api}", PortProtocol::kHttp2},
      {"{port: 80, name: grpc-web-x}", PortProtocol::kHttp},
      {"{port: 80, name: httpish}", PortProtocol::kTcp},
      {"{port: 80, name: tcp-http}", PortProtocol::kTcp},
      {"{port: 443, name: https}", PortProtocol::kTcp},
      {"{port: 3306, name: mysql}", PortProtocol::kTcp},
      {"{port: 80}", PortProtocol::kTcp},
      {"{port: 80, name: tcp, appProtocol: http}", PortProtocol::kHttp},
      {"{port: 80, name: http, appProtocol: tcp}", PortProtocol::kTcp},
      {"{port: 80, name: x, appProtocol: kubernetes.io/h2c}", PortProtocol::kHttp2},
      {"{port: 80, name: http, appProtocol: example.com/own}", PortProtocol::kHttp},
  };
  for (const auto& [port, protocol] : cases) {
    const auto contents =
        Decode(ServiceWith(absl::StrCat("{selector: {a: b}, ports: [", port, "]}")));
    ASSERT_TRUE(contents.ok()) << port << contents.status();
    EXPECT_EQ((*contents)->services[0].ports[0].protocol, protocol) << port;
  }
}

struct Refused {
  std::string text;
  const char* says;
};

class FileContentsRefusalTest : public testing::TestWithParam<Refused> {};

TEST(FileContentsTest, TakesNamesWhereTheyAreResolved) {
  const std::string ports = "ports: [{number: 80, name: http, protocol: HTTP}]}";
  const auto hosts = DecodeFile(
      EntryWith("{hosts: [a.example, b.example], resolution: DNS, " + ports), "f.yaml", {});
  ASSERT_TRUE(hosts.ok()) << hosts.status();
  ASSERT_EQ((*hosts)->services.size(), 2u);
  EXPECT_EQ((*hosts)->services[1].endpoints.at(0).dns_name, "b.example");
  const auto listed = DecodeFile(
      EntryWith("{hosts: [c.example], resolution: DNS, endpoints: [{address: x.example}, "
                "{address: 10.0.0.1}], " +
                ports),
      "f.yaml", {});
  ASSERT_TRUE(listed.ok()) << listed.status();
  const std::vector<StaticWorkload>& endpoints = (*listed)->services.at(0).endpoints;
  EXPECT_EQ(endpoints.at(0).dns_name, "x.example");
  EXPECT_EQ(endpoints.at(1).dns_name, "");
  EXPECT_EQ(endpoints.at(1).ip, "10.0.0.1");
}

TEST_P(FileContentsRefusalTest, SaysWhereAndWhat) {
  const auto contents = Decode(GetParam().text);
  ASSERT_FALSE(contents.ok()) << GetParam().text;
  const std::string message(contents.status().message());
  EXPECT_EQ(message.rfind("f.yaml", 0), 0u) << message;
  EXPECT_NE(message.find(GetParam().says), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

constexpr char kPort[] = "ports: [{port: 80, name: http}]";
constexpr char kEntryPort[] = "ports: [{number: 80, name: http, protocol: HTTP}]";

INSTANTIATE_TEST_SUITE_P(
    Documents, FileContentsRefusalTest,
    testing::Values(
        Refused{"", "empty"}, Refused{"a: [", "f.yaml"},
        Refused{"apiVersion: v1\nmetadata: {name: x}\n", "kind"},
        Refused{"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", "Pod is not supported yet"},
        Refused{"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\n",
                "VirtualService is not supported yet"},
        Refused{"apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
                "metadata: {name: x}\nspec: {jwtRules: [{audiences: [a]}]}\n",
                "default/x: spec.jwtRules[0].issuer: is required"},
        Refused{"apiVersion: mesh.kith.dev/v1alpha1\nkind: RateLimitPolicy\n"
                "metadata: {name: x}\n",
                "default/x: spec.limit.requests: must be 1"},
        Refused{"apiVersion: mesh.kith.dev/v1alpha1\nkind: MeshConfig\n"
                "metadata: {name: x}\nspec: {extensionProviders: [{name: p}]}\n",
                "spec.extensionProviders[0]: envoyExtAuthzGrpc"},
        Refused{"apiVersion: networking.istio.io/v1\nkind: AuthorizationPolicy\n"
                "metadata: {name: x}\n",
                "does not go with"},
        Refused{"apiVersion: v1\nkind: Service\nspec: {}\n", "metadata.name: is required"},
        Refused{"apiVersion: v1\nkind: Service\nmetadata: {name: Up}\n", "metadata.name"},
        Refused{"apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: a.b}\n",
                "metadata.namespace"},
        Refused{"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
                "metadata: {name: x}\nspec: {rules: [{form: []}]}\n",
                "form"},
        Refused{"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
                "metadata: {name: x}\nspec: {rules: [{when: [{key: 'request.headers[a', values: "
                "[b]}]}]}\n",
                "default/x: spec.rules[0].when"},
        Refused{"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
                "metadata: {name: x}\nspec: {action: DENY}\n",
                "default/x"},
        Refused{"apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
                "metadata: {name: x}\nspec: {portLevelMtls: {80: {mode: STRICT}}}\n",
                "default/x"}));

INSTANTIATE_TEST_SUITE_P(
    Services, FileContentsRefusalTest,
    testing::Values(
        Refused{ServiceWith("{ports: [{port: 80}]}"), "spec.selector"},
        Refused{ServiceWith("{selector: {a: b}}"), "spec.ports: is required"},
        Refused{ServiceWith("{selector: {a: b}, ports: [{port: 0}]}"), "spec.ports[0].port"},
        Refused{ServiceWith("{selector: {a: b}, ports: [{port: 65536}]}"), "spec.ports[0].port"},
        Refused{ServiceWith("{selector: {a: b}, ports: [{port: 80, protocol: UDP}]}"), "UDP"},
        Refused{ServiceWith("{selector: {a: b}, ports: [{port: 80, targetPort: web}]}"),
                "\"web\" is not supported yet"},
        Refused{ServiceWith("{selector: {a: b}, ports: [{port: 80, targetPort: 8.5}]}"),
                "spec.ports[0].targetPort"},
        Refused{ServiceWith("{selector: {a: b}, ports: [{port: 80}, {port: 81}]}"),
                "spec.ports[0].name: is required"},
        Refused{
            ServiceWith("{selector: {a: b}, ports: [{port: 80, name: x}, {port: 80, name: y}]}"),
            "port 80 appears twice"},
        Refused{
            ServiceWith("{selector: {a: b}, ports: [{port: 80, name: x}, {port: 81, name: x}]}"),
            "\"x\" appears twice"},
        Refused{ServiceWith("{type: ExternalName, externalName: x.example}"), "ExternalName"},
        Refused{
            ServiceWith(absl::StrCat("{selector: {a: b}, sessionAffinity: Cookie, ", kPort, "}")),
            "sessionAffinity: must be None or ClientIP"},
        Refused{ServiceWith(absl::StrCat(
                    "{selector: {a: b}, sessionAffinityConfig: {clientIP: {timeoutSeconds: 9}}, ",
                    kPort, "}")),
                "sessionAffinityConfig: goes with ClientIP"},
        Refused{ServiceWith(absl::StrCat("{selector: {a: b}, sessionAffinity: ClientIP, "
                                         "sessionAffinityConfig: {clientIP: {timeoutSeconds: "
                                         "86401}}, ",
                                         kPort, "}")),
                "clientIP.timeoutSeconds: must be 1 to 86400"}));

INSTANTIATE_TEST_SUITE_P(
    Entries, FileContentsRefusalTest,
    testing::Values(
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], ", kEntryPort, "}")), "NONE"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], resolution: DYNAMIC_DNS, ", kEntryPort,
                                       "}")),
                "DYNAMIC_DNS is not supported; write DNS"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], resolution: DNS, workloadSelector: "
                                       "{labels: {a: b}}, ",
                                       kEntryPort, "}")),
                "write resolution: STATIC"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], resolution: DNS, endpoints: "
                                       "[{address: No_Name}], ",
                                       kEntryPort, "}")),
                "neither an IP address nor a DNS name"},
        Refused{EntryWith(absl::StrCat("{hosts: ['*.example'], resolution: STATIC, endpoints: "
                                       "[{address: 10.0.0.1}], ",
                                       kEntryPort, "}")),
                "wildcard"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.other.svc.cluster.local], resolution: STATIC, "
                                       "endpoints: [{address: 10.0.0.1}], ",
                                       kEntryPort, "}")),
                "another namespace"},
        Refused{
            EntryWith(absl::StrCat("{hosts: [a.example], resolution: STATIC, ", kEntryPort, "}")),
            "spec.endpoints: is required"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], resolution: STATIC, workloadSelector: "
                                       "{labels: {}}, ",
                                       kEntryPort, "}")),
                "selects nothing"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], resolution: STATIC, workloadSelector: "
                                       "{labels: {a: b}}, endpoints: [{address: 10.0.0.1}], ",
                                       kEntryPort, "}")),
                "beside"},
        Refused{EntryWith("{hosts: [a.example], resolution: STATIC, endpoints: [{address: "
                          "10.0.0.1}], ports: [{number: 80, name: x, protocol: UDP}]}"),
                "spec.ports[0].protocol"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], resolution: STATIC, exportTo: ['.'], "
                                       "endpoints: [{address: 10.0.0.1}], ",
                                       kEntryPort, "}")),
                "exportTo"},
        Refused{EntryWith(absl::StrCat("{hosts: [a.example], resolution: STATIC, subjectAltNames: "
                                       "[a.example], endpoints: [{address: 10.0.0.1}], ",
                                       kEntryPort, "}")),
                "subjectAltNames[0]"},
        Refused{EntryWith(absl::StrCat("{resolution: STATIC, endpoints: [{address: 10.0.0.1}], ",
                                       kEntryPort, "}")),
                "spec.hosts: is required"},
        Refused{WorkloadEntryWith("{}"), "spec.address: is required"},
        Refused{WorkloadEntryWith("{address: db.example}"), "no IP address"},
        Refused{WorkloadEntryWith("{address: 'unix:///x'}"), "UNIX"},
        Refused{WorkloadEntryWith("{address: 10.0.0.1, network: n2}"), "spec.network"},
        Refused{WorkloadEntryWith("{address: 10.0.0.1, ports: {http: 0}}"), "spec.ports[http]"},
        Refused{WorkloadEntryWith("{address: 10.0.0.1, serviceAccount: a/b}"), "serviceAccount"},
        Refused{
            WorkloadEntryWith("{address: 10.0.0.1, labels: {security.istio.io/tlsMode: istio}}"),
            "spec.serviceAccount: is required"}));

TEST(FileContentsTest, RefusesOneNameTwiceInAFile) {
  const std::string service = ServiceWith(absl::StrCat("{selector: {a: b}, ", kPort, "}"));
  const auto contents = Decode(absl::StrCat(service, "---\n", service));
  ASSERT_FALSE(contents.ok());
  EXPECT_NE(contents.status().message().find("Service n/s is defined twice"), std::string::npos)
      << contents.status();
}

}  // namespace
}  // namespace kith::controlplane
