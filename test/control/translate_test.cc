#include "source/control/translate.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <functional>

#include "kith/mesh/v1/resources.pb.h"

namespace kith::control {
namespace {

using ::testing::HasSubstr;

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

constexpr char kHost[] = "backend.demo.svc.cluster.local";
constexpr char kService[] = R"(
  host: "backend.demo.svc.cluster.local" namespace: "demo"
  ports { number: 80 name: "http" protocol: HTTP }
  ports { number: 5432 name: "db" protocol: TCP }
  endpoints {
    workload: "demo/backend-1"
    addresses { key: 80 value: "10.0.0.7:8443" }
    addresses { key: 5432 value: "10.0.0.7:8444" }
    principal: "spiffe://cluster.local/ns/demo/sa/backend"
    tls: MUTUAL port_tls { key: 5432 value: PLAINTEXT } weight: 3
  })";

constexpr char kWorkload[] = R"(
  trust_domain: "cluster.local" trust_domain_aliases: "old.example" root_namespace: "istio-system"
  mtls_mode: STRICT port_mtls_modes { key: 8080 value: PERMISSIVE }
  path_normalization: MERGE_SLASHES
  authorization_policies {
    metadata { name: "readers" namespace: "demo" }
    spec { action: ALLOW rules { to { operation { methods: "GET" } } } rules {} }
  })";

TEST(TranslateServiceTest, TakesTheTrafficPolicyOfEachPort) {
  mesh::v1::Service from = Parse<mesh::v1::Service>(kService);
  *from.mutable_ports(0)->mutable_traffic_policy() = Parse<networking::v1::TrafficPolicy>(R"(
    load_balancer { consistent_hash { http_header_name: "X-User" } }
    connection_pool { tcp { max_connections: 7 connect_timeout { nanos: 250000000 } }
                      http { http2_max_requests: 9 max_requests_per_connection: 0 } }
    outlier_detection { consecutive_gateway_errors: 2 })");
  const auto service = TranslateService(from, kHost);
  ASSERT_TRUE(service.ok()) << service.status();
  const mesh::TrafficPolicy& policy = (*service)->FindPort(80)->policy;
  EXPECT_EQ(policy.balancer, mesh::Balancer::kConsistentHash);
  EXPECT_EQ(policy.hash_header, "x-user");
  EXPECT_EQ(policy.pool.max_connections, 7u);
  EXPECT_EQ(policy.pool.connect_timeout, absl::Milliseconds(250));
  EXPECT_EQ(policy.pool.max_requests, 9u);
  EXPECT_EQ(policy.pool.max_requests_per_connection, mesh::kUnlimited);
  EXPECT_EQ(policy.pool.max_pending_requests, mesh::kUnlimited);
  EXPECT_EQ(policy.outliers.consecutive_errors, 5u);
  EXPECT_EQ(policy.outliers.consecutive_gateway_errors, 2u);
  EXPECT_EQ(policy.outliers.max_ejection_percent, 10u);

  const mesh::TrafficPolicy& other = (*service)->FindPort(5432)->policy;
  EXPECT_EQ(other.balancer, mesh::Balancer::kLeastRequest);
  EXPECT_FALSE(other.outliers.enabled());

  from.mutable_ports(0)->mutable_traffic_policy()->mutable_load_balancer()->set_simple(
      networking::v1::LoadBalancerSettings::RANDOM);
  EXPECT_THAT(TranslateService(from, kHost).status().ToString(), HasSubstr("loadBalancer"));
}

TEST(TranslateServiceTest, PlacesEveryEndpointOnItsPorts) {
  const auto service = TranslateService(Parse<mesh::v1::Service>(kService), kHost);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ((*service)->name_space, "demo");
  const mesh::ServicePort* http = (*service)->FindPort(80);
  const mesh::ServicePort* db = (*service)->FindPort(5432);
  ASSERT_NE(http, nullptr);
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(http->protocol, mesh::Protocol::kHttp);
  EXPECT_EQ(db->protocol, mesh::Protocol::kTcp);
  ASSERT_EQ(http->endpoints.size(), 1u);
  EXPECT_EQ(http->endpoints[0].address.ToString(), "10.0.0.7:8443");
  EXPECT_EQ(http->endpoints[0].workload, "demo/backend-1");
  EXPECT_EQ(http->endpoints[0].tls, mesh::EndpointTls::kMutual);
  EXPECT_EQ(http->endpoints[0].weight, 3u);
  ASSERT_EQ(http->endpoints[0].principals.size(), 1u);
  EXPECT_EQ(http->endpoints[0].principals[0].text(), "spiffe://cluster.local/ns/demo/sa/backend");
  ASSERT_EQ(db->endpoints.size(), 1u);
  EXPECT_EQ(db->endpoints[0].address.ToString(), "10.0.0.7:8444");
  EXPECT_EQ(db->endpoints[0].tls, mesh::EndpointTls::kPlaintext);
}

TEST(TranslateServiceTest, LetsTheServicesOwnNamesReplaceTheEndpoints) {
  auto message = Parse<mesh::v1::Service>(kService);
  message.add_subject_alt_names("spiffe://partner.example/ns/x/sa/y");
  const auto service = TranslateService(message, kHost);
  ASSERT_TRUE(service.ok()) << service.status();
  const auto& principals = (*service)->FindPort(80)->endpoints[0].principals;
  ASSERT_EQ(principals.size(), 1u);
  EXPECT_EQ(principals[0].text(), "spiffe://partner.example/ns/x/sa/y");
}

TEST(TranslateServiceTest, CountsAWeightOfZeroAsOne) {
  auto message = Parse<mesh::v1::Service>(kService);
  message.mutable_endpoints(0)->clear_weight();
  EXPECT_EQ((*TranslateService(message, kHost))->FindPort(80)->endpoints[0].weight, 1u);
}

TEST(TranslateServiceTest, TakesAServiceWithoutEndpoints) {
  auto message = Parse<mesh::v1::Service>(kService);
  message.clear_endpoints();
  EXPECT_TRUE(TranslateService(message, kHost).ok());
}

TEST(TranslateServiceTest, NeedsNoPrincipalForPlaintext) {
  auto message = Parse<mesh::v1::Service>(kService);
  message.mutable_endpoints(0)->clear_principal();
  message.mutable_endpoints(0)->clear_port_tls();
  message.mutable_endpoints(0)->set_tls(mesh::v1::Endpoint::PLAINTEXT);
  EXPECT_TRUE(TranslateService(message, kHost).ok());
}

struct BadService {
  const char* why;
  std::function<void(mesh::v1::Service&)> spoil;
  const char* error;
};

TEST(TranslateServiceTest, RefusesWhatIsWrongAndNamesIt) {
  using mesh::v1::Endpoint;
  const BadService kCases[] = {
      {"another host", [](auto& s) { s.set_host("other"); }, "host"},
      {"no host", [](auto& s) { s.clear_host(); }, "host"},
      {"no ports", [](auto& s) { s.clear_ports(); }, "ports"},
      {"port 0", [](auto& s) { s.mutable_ports(0)->set_number(0); }, "0 is no port"},
      {"port 65536", [](auto& s) { s.mutable_ports(0)->set_number(65536); }, "65536 is no port"},
      {"a port twice", [](auto& s) { s.mutable_ports(1)->set_number(80); }, "80 appears twice"},
      {"no protocol", [](auto& s) { s.mutable_ports(0)->clear_protocol(); }, "ports.protocol"},
      {"an unknown protocol",
       [](auto& s) {
         s.mutable_ports(0)->set_protocol(static_cast<mesh::v1::ServicePort::Protocol>(9));
       },
       "ports[0].protocol: value 9"},
      {"a name for an address",
       [](auto& s) { (*s.mutable_endpoints(0)->mutable_addresses())[80] = "host:80"; },
       "\"host:80\" is not \"ip:port\""},
      {"a UNIX address",
       [](auto& s) { (*s.mutable_endpoints(0)->mutable_addresses())[80] = "unix:/x"; },
       "is not \"ip:port\""},
      {"port 0 in an address",
       [](auto& s) { (*s.mutable_endpoints(0)->mutable_addresses())[80] = "10.0.0.7:0"; },
       "is not \"ip:port\""},
      {"no addresses", [](auto& s) { s.mutable_endpoints(0)->clear_addresses(); }, "addresses"},
      {"an address of no port",
       [](auto& s) { (*s.mutable_endpoints(0)->mutable_addresses())[81] = "10.0.0.7:1"; },
       "a port that the service does not have"},
      {"a bad principal",
       [](auto& s) { s.mutable_endpoints(0)->set_principal("cluster.local/ns/x/sa/y"); },
       "endpoints[0]: principal"},
      {"no principal", [](auto& s) { s.mutable_endpoints(0)->clear_principal(); },
       "endpoints[0]: principal: is required"},
      {"no TLS mode", [](auto& s) { s.mutable_endpoints(0)->clear_tls(); }, "tls"},
      {"an unknown TLS mode",
       [](auto& s) { s.mutable_endpoints(0)->set_tls(static_cast<Endpoint::Tls>(7)); },
       "endpoints[0].tls: value 7"},
      {"a TLS mode of no port",
       [](auto& s) { (*s.mutable_endpoints(0)->mutable_port_tls())[9] = Endpoint::MUTUAL; },
       "portTls"},
      {"no TLS mode of a port",
       [](auto& s) {
         (*s.mutable_endpoints(0)->mutable_port_tls())[80] = Endpoint::TLS_UNSPECIFIED;
       },
       "portTls"},
      {"a bad name", [](auto& s) { s.add_subject_alt_names("backend"); }, "subjectAltNames"},
      {"an unknown field",
       [](auto& s) { s.GetReflection()->MutableUnknownFields(&s)->AddVarint(77, 1); },
       "field number 77"},
      {"an unknown field inside",
       [](auto& s) {
         auto& e = *s.mutable_endpoints(0);
         e.GetReflection()->MutableUnknownFields(&e)->AddVarint(78, 1);
       },
       "endpoints[0]: field number 78"},
  };
  for (const BadService& each : kCases) {
    auto message = Parse<mesh::v1::Service>(kService);
    each.spoil(message);
    const auto service = TranslateService(message, kHost);
    ASSERT_FALSE(service.ok()) << each.why;
    EXPECT_THAT(std::string(service.status().message()), HasSubstr(each.error)) << each.why;
  }
}

TEST(TranslateWorkloadTest, ReadsWhatJudgesSingleRequests) {
  auto message = Parse<mesh::v1::WorkloadConfig>(kWorkload);
  auto& authentication = *message.add_request_authentications();
  authentication.mutable_metadata()->set_name("tokens");
  authentication.mutable_spec()->add_jwt_rules()->set_issuer("me");
  auto& limit = *message.add_rate_limit_policies();
  limit.mutable_metadata()->set_name("limit");
  limit.mutable_spec()->mutable_limit()->set_requests(5);
  const auto settings = TranslateWorkload(message, "cluster.local");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->authentication->size(), 1u);
  EXPECT_EQ(settings->rate_limits->policies().size(), 1u);

  limit.mutable_spec()->mutable_limit()->set_requests(0);
  EXPECT_THAT(std::string(TranslateWorkload(message, "cluster.local").status().message()),
              HasSubstr("default/limit: spec.limit.requests"));
}

TEST(TranslateWorkloadTest, ReadsModesAndPolicies) {
  const auto settings =
      TranslateWorkload(Parse<mesh::v1::WorkloadConfig>(kWorkload), "cluster.local");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->modes.mode, mesh::MtlsMode::kStrict);
  EXPECT_EQ(settings->modes.ForPort(8080), mesh::MtlsMode::kPermissive);
  EXPECT_EQ(settings->modes.ForPort(8081), mesh::MtlsMode::kStrict);
  EXPECT_EQ(settings->modes.path_normalization, mesh::PathNormalization::kMergeSlashes);
  ASSERT_EQ(settings->summaries.size(), 1u);
  EXPECT_EQ(settings->summaries[0].name, "demo/readers");
  EXPECT_EQ(settings->summaries[0].action, "ALLOW");
  EXPECT_EQ(settings->summaries[0].rules, 2);
  policy::Request request;
  request.kind = policy::Request::Kind::kHttp;
  request.method = "GET";
  request.path = "/";
  EXPECT_TRUE(settings->policies->Decide(request).allowed);
}

TEST(TranslateWorkloadTest, CompilesTheTrustDomainsAliasesIntoPolicies) {
  auto message = Parse<mesh::v1::WorkloadConfig>(kWorkload);
  auto& policy = *message.mutable_authorization_policies(0);
  policy.mutable_spec()->clear_rules();
  policy.mutable_spec()->add_rules()->add_from()->mutable_source()->add_principals(
      "old.example/ns/demo/sa/frontend");
  const auto settings = TranslateWorkload(message, "cluster.local");
  ASSERT_TRUE(settings.ok()) << settings.status();
  const auto peer = base::SpiffeId::Parse("spiffe://cluster.local/ns/demo/sa/frontend");
  policy::Request request;
  request.kind = policy::Request::Kind::kHttp;
  request.method = "POST";
  request.path = "/";
  request.peer = &*peer;
  EXPECT_TRUE(settings->policies->Decide(request).allowed);
}

struct BadWorkload {
  const char* why;
  std::function<void(mesh::v1::WorkloadConfig&)> spoil;
  const char* error;
};

TEST(TranslateWorkloadTest, RefusesWhatIsWrongAndNamesIt) {
  using MutualTls = security::v1::PeerAuthenticationSpec::MutualTLS;
  const BadWorkload kCases[] = {
      {"another trust domain", [](auto& w) { w.set_trust_domain("x.example"); }, "trustDomain"},
      {"a bad alias", [](auto& w) { w.add_trust_domain_aliases("UPPER"); }, "trustDomainAliases"},
      {"no root namespace", [](auto& w) { w.clear_root_namespace(); }, "rootNamespace"},
      {"no mode", [](auto& w) { w.clear_mtls_mode(); }, "mtlsMode"},
      {"an unknown mode", [](auto& w) { w.set_mtls_mode(static_cast<MutualTls::Mode>(9)); },
       "mtlsMode: value 9"},
      {"no mode of a port", [](auto& w) { (*w.mutable_port_mtls_modes())[80] = MutualTls::UNSET; },
       "portMtlsModes"},
      {"port 0", [](auto& w) { (*w.mutable_port_mtls_modes())[0] = MutualTls::STRICT; },
       "0 is no port"},
      {"an HTTP/2 port 0", [](auto& w) { w.add_http2_ports(0); }, "http2Ports"},
      {"an unknown normalization",
       [](auto& w) { w.set_path_normalization(static_cast<mesh::v1::PathNormalization>(9)); },
       "pathNormalization: value 9"},
      {"a condition without values",
       [](auto& w) {
         w.mutable_authorization_policies(0)->mutable_spec()->mutable_rules(0)->add_when()->set_key(
             "request.headers[x]");
       },
       "demo/readers"},
      {"a CUSTOM that names no provider",
       [](auto& w) {
         w.mutable_authorization_policies(0)->mutable_spec()->set_action(
             security::v1::AuthorizationPolicySpec::CUSTOM);
       },
       "demo/readers"},
      {"an unknown action",
       [](auto& w) {
         w.mutable_authorization_policies(0)->mutable_spec()->set_action(
             static_cast<security::v1::AuthorizationPolicySpec::Action>(9));
       },
       "action: value 9"},
      {"an unknown field of a policy",
       [](auto& w) {
         auto& spec = *w.mutable_authorization_policies(0)->mutable_spec();
         spec.GetReflection()->MutableUnknownFields(&spec)->AddLengthDelimited(99, "x");
       },
       "authorizationPolicies[0].spec: field number 99"},
  };
  for (const BadWorkload& each : kCases) {
    auto message = Parse<mesh::v1::WorkloadConfig>(kWorkload);
    each.spoil(message);
    const auto settings = TranslateWorkload(message, "cluster.local");
    ASSERT_FALSE(settings.ok()) << each.why;
    EXPECT_THAT(std::string(settings.status().message()), HasSubstr(each.error)) << each.why;
  }
}

TEST(TranslateTrustBundleTest, ReadsADomainAndItsRoots) {
  const auto domain = TranslateTrustBundle(
      Parse<mesh::v1::TrustBundle>("trust_domain: 'cluster.local' roots: 'PEM'"), "cluster.local");
  ASSERT_TRUE(domain.ok());
  EXPECT_EQ(domain->trust_domain, "cluster.local");
  EXPECT_EQ(domain->roots_pem, "PEM");
}

TEST(TranslateTrustBundleTest, ReadsItsGenerationAndTheIssuersThatAreToGo) {
  const auto domain = TranslateTrustBundle(
      Parse<mesh::v1::TrustBundle>("trust_domain: 'a.b' roots: 'PEM' generation: 7 "
                                   "retiring_key_ids: 'AB01'"),
      "a.b");
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(domain->generation, 7u);
  EXPECT_EQ(domain->retiring_key_ids, std::vector<std::string>{"ab01"});
  EXPECT_FALSE(TranslateTrustBundle(Parse<mesh::v1::TrustBundle>(
                                        "trust_domain: 'a.b' roots: 'PEM' retiring_key_ids: 'x'"),
                                    "a.b")
                   .ok());
}

TEST(TranslateTrustBundleTest, RefusesWhatIsWrong) {
  for (const char* text : {"trust_domain: 'other.example' roots: 'PEM'", "roots: 'PEM'",
                           "trust_domain: 'cluster.local'"}) {
    EXPECT_FALSE(TranslateTrustBundle(Parse<mesh::v1::TrustBundle>(text), "cluster.local").ok())
        << text;
  }
  EXPECT_FALSE(
      TranslateTrustBundle(Parse<mesh::v1::TrustBundle>("trust_domain: 'A B' roots: 'PEM'"), "A B")
          .ok());
}

}  // namespace
}  // namespace kith::control
