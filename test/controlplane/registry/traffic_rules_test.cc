#include "source/controlplane/registry/traffic_rules.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/controlplane/registry/file_contents.h"

namespace kith::controlplane {
namespace {

absl::StatusOr<std::shared_ptr<const FileContents>> Decode(const std::string& spec) {
  return DecodeFile(absl::StrCat("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
                                 "metadata: {name: r, namespace: demo}\nspec: ",
                                 spec, "\n"),
                    "f.yaml", {});
}

TEST(TrafficRulesTest, CompletesAShortHost) {
  const auto contents = Decode("{host: backend, trafficPolicy: {outlierDetection: {}}}");
  ASSERT_TRUE(contents.ok()) << contents.status();
  ASSERT_EQ((*contents)->traffic_rules.size(), 1u);
  const TrafficRule& rule = (*contents)->traffic_rules[0];
  EXPECT_EQ(rule.host, "backend.demo.svc.cluster.local");
  EXPECT_EQ(rule.name_space, "demo");
  EXPECT_TRUE(rule.settings.policy.has_outlier_detection());
  EXPECT_EQ((*contents)->kinds.at("DestinationRule"), 1);
}

TEST(TrafficRulesTest, TakesARuleAsIstiosDocumentationWritesIt) {
  const auto contents = Decode(R"(
  host: ratings.demo.svc.cluster.local
  trafficPolicy:
    loadBalancer: {simple: LEAST_REQUEST}
    tls: {mode: ISTIO_MUTUAL}
    connectionPool:
      tcp: {maxConnections: 100, connectTimeout: 30ms}
      http: {http2MaxRequests: 1000, maxRequestsPerConnection: 10}
    outlierDetection:
      consecutive5xxErrors: 7
      interval: 5m
      baseEjectionTime: 15m
    portLevelSettings:
    - port: {number: 9080}
      loadBalancer: {consistentHash: {useSourceIp: true}}
)");
  ASSERT_TRUE(contents.ok()) << contents.status();
  const TrafficRule& rule = (*contents)->traffic_rules[0];
  EXPECT_EQ(rule.settings.policy.outlier_detection().consecutive_5xx_errors(), 7u);
  EXPECT_EQ(rule.settings.tls, ClientTls::kMutual);
  EXPECT_EQ(rule.ports.at(9080).tls, ClientTls::kAsAccepted);
  EXPECT_TRUE(rule.ports.at(9080).policy.load_balancer().consistent_hash().use_source_ip());
  EXPECT_FALSE(rule.ports.at(9080).policy.has_connection_pool());
}

TEST(TrafficRulesTest, TakesTlsForServersOutsideTheMesh) {
  const auto contents = Decode(R"(
  host: db.partner.example
  trafficPolicy:
    tls: {mode: MUTUAL, clientCertificate: /c.pem, privateKey: /k.pem, caCertificates: /ca.pem}
    portLevelSettings:
    - port: {number: 80}
      tls: {mode: SIMPLE, sni: www.partner.example, subjectAltNames: [a.example, 10.0.0.1]}
    - port: {number: 81}
      tls: {mode: SIMPLE, insecureSkipVerify: true}
)");
  ASSERT_TRUE(contents.ok()) << contents.status();
  const TrafficRule& rule = (*contents)->traffic_rules[0];
  EXPECT_EQ(rule.settings.tls, ClientTls::kOriginate);
  EXPECT_EQ(rule.settings.origination.client_certificate(), "/c.pem");
  EXPECT_EQ(rule.ports.at(80).origination.sni(), "www.partner.example");
  EXPECT_TRUE(rule.ports.at(81).origination.insecure_skip_verify());
}

struct Refusal {
  const char* spec;
  const char* message;
};
class TrafficRulesRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(TrafficRulesRefusalTest, NamesTheField) {
  const auto contents = Decode(GetParam().spec);
  ASSERT_FALSE(contents.ok());
  EXPECT_TRUE(absl::StrContains(contents.status().message(), GetParam().message))
      << contents.status();
  EXPECT_TRUE(absl::StartsWith(contents.status().message(), "f.yaml:")) << contents.status();
}

INSTANTIATE_TEST_SUITE_P(
    All, TrafficRulesRefusalTest,
    testing::Values(
        Refusal{"{trafficPolicy: {outlierDetection: {}}}", "spec.host: is required"},
        Refusal{"{host: backend}", "spec.trafficPolicy: is required"},
        Refusal{"{host: '*.demo.svc.cluster.local', trafficPolicy: {outlierDetection: {}}}",
                "wildcard"},
        Refusal{"{host: b.other.svc.cluster.local, trafficPolicy: {outlierDetection: {}}}",
                "belongs to another namespace"},
        Refusal{"{host: b, exportTo: ['.'], trafficPolicy: {outlierDetection: {}}}",
                "spec.exportTo"},
        Refusal{"{host: b, subsets: [{name: v1}]}", "subsets"},
        Refusal{"{host: b, workloadSelector: {}}", "workloadSelector"},
        Refusal{"{host: b, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}",
                "spec.trafficPolicy.tls.credentialName: secrets are not distributed"},
        Refusal{"{host: b, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c}}}",
                "spec.trafficPolicy.tls.privateKey: is required with MUTUAL"},
        Refusal{"{host: b, trafficPolicy: {tls: {mode: DISABLE, sni: x}}}",
                "spec.trafficPolicy.tls: DISABLE takes no other field"},
        Refusal{"{host: b, trafficPolicy: {outlierDetection: {}, portLevelSettings: "
                "[{port: {number: 1}, tls: {mode: SIMPLE, caCertificates: c}}]}}",
                "portLevelSettings[0].tls.caCertificates: must be a whole path"},
        Refusal{"{host: b, trafficPolicy: {tls: {}}}", "tls"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {}}}", "loadBalancer"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}",
                "spec.trafficPolicy.loadBalancer.simple: PASSTHROUGH"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {simple: FASTEST}}}", "simple"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {localityLbSetting: "
                "{failoverPriority: [version]}}}}",
                "failoverPriority"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {localityLbSetting: "
                "{distribute: [{from: eu, to: {us: 100}}]}}}}",
                "distribute"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {localityLbSetting: "
                "{failover: [{from: eu, to: us/zone-1}]}}}}",
                "localityLbSetting.failover[0]: \"us/zone-1\" is no region"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {simple: RANDOM, "
                "consistentHash: {useSourceIp: true}}}}",
                "has both simple and consistentHash"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {consistentHash: "
                "{httpCookie: {name: c, ttl: 0s}}}}}",
                "httpCookie"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {consistentHash: "
                "{useSourceIp: true, httpHeaderName: x}}}}",
                "needs one of"},
        Refusal{"{host: b, trafficPolicy: {loadBalancer: {consistentHash: "
                "{httpHeaderName: 'a b'}}}}",
                "is no header's name"},
        Refusal{"{host: b, trafficPolicy: {connectionPool: {tcp: {maxConnections: 0}}}}",
                "connectionPool.tcp.maxConnections: must be 1 or more"},
        Refusal{"{host: b, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1us}}}}",
                "connectionPool.tcp.connectTimeout: must be 1ms or more"},
        Refusal{"{host: b, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}",
                "useClientProtocol"},
        Refusal{"{host: b, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}",
                "outlierDetection.maxEjectionPercent: 101 is no percentage"},
        Refusal{"{host: b, trafficPolicy: {outlierDetection: {consecutiveErrors: 1}}}",
                "consecutiveErrors"},
        Refusal{"{host: b, trafficPolicy: {portLevelSettings: [{outlierDetection: {}}]}}",
                "portLevelSettings[0].port.number: must be 1 to 65535"},
        Refusal{"{host: b, trafficPolicy: {portLevelSettings: [{port: {number: 80}, "
                "outlierDetection: {}}, {port: {number: 80}, outlierDetection: {}}]}}",
                "80 appears twice"}));

TEST(TrafficRulesTest, AllowsOneRuleForEachHost) {
  const auto rule = [](absl::string_view name, absl::string_view host) {
    return absl::StrCat(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: ", name,
        ", namespace: demo}\nspec: {host: ", host,
        ", trafficPolicy: {outlierDetection: {}}}\n---\n");
  };
  const auto contents =
      DecodeFile(absl::StrCat(rule("a", "backend"), rule("b", "backend.demo.svc.cluster.local")),
                 "f.yaml", {});
  ASSERT_FALSE(contents.ok());
  EXPECT_TRUE(absl::StrContains(contents.status().message(), "is defined twice in this file"))
      << contents.status();
}

}  // namespace
}  // namespace kith::controlplane
