#include "source/sidecar/bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::sidecar {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kWhole[] = R"(workload:
  name: backend-1
  namespace: demo
  serviceAccount: backend
  trustDomain: mesh.example
  labels: {app: backend}
controlPlane:
  address: 127.0.0.1:15012
  serverName: kith-controlplane
  trustBundleFile: ROOTS
  tokenFile: /run/token
identity: {lifetime: 10m}
inbound:
- {bind: "127.0.0.1:8443", application: "127.0.0.1:8080", protocol: HTTP}
- {bind: "127.0.0.1:8444", application: "127.0.0.1:5432", port: 6000, protocol: TCP}
outbound:
- {bind: "127.0.0.1:9000", service: db.demo.svc.cluster.local, port: 5432}
admin: {socket: /run/kith.sock}
observability: {address: "127.0.0.1:15099", accessLog: stdout, logLevel: warning}
workers: 2
links: {mode: OFF}
tls: {minVersion: TLS1_2}
timeouts: {connect: 1s, handshake: 2s, head: 3s, idle: 4s, response: 5s, drain: 6s, request: 7s, perTry: 8s, streamIdle: 9s}
limits: {connections: 7, requestHeadBytes: 8192, memory: 67108864}
retries: {attempts: 4, budgetPercent: 30, budgetPerSecond: 0}
)";

class BootstrapTest : public ::testing::Test {
 protected:
  absl::StatusOr<Bootstrap> Load(const std::string& text) {
    const std::string roots = directory_.Write("roots.pem", ca_.root_pem());
    return Bootstrap::Load(
        directory_.Write("sidecar.yaml", absl::StrReplaceAll(text, {{"ROOTS", roots}})));
  }
  // The whole file with one thing replaced.
  absl::StatusOr<Bootstrap> With(const std::string& old, const std::string& now) {
    const std::string text = absl::StrReplaceAll(kWhole, {{old, now}});
    EXPECT_NE(text, kWhole) << old;
    return Load(text);
  }

  test::TemporaryDirectory directory_;
  test::TemporaryCa ca_;
};

TEST_F(BootstrapTest, ReadsWhatTheApplicationIsToldOfItsClient) {
  const auto defaults = Load(kWhole);
  ASSERT_TRUE(defaults.ok()) << defaults.status();
  EXPECT_EQ(defaults->inbound[0].peer_headers.forward, proxy::ForwardClientCert::kAppendForward);
  EXPECT_EQ(defaults->inbound[0].peer_headers.ssl_client, proxy::SslClientHeaders::kNone);
  EXPECT_EQ(defaults->inbound[1].proxy_protocol, proxy::ProxyProtocol::kOff);
  const auto headers =
      With("protocol: HTTP",
           "protocol: HTTP, clientCertificateHeaders: {forwarded: SANITIZE_SET, sslClient: ADDED}");
  ASSERT_TRUE(headers.ok()) << headers.status();
  EXPECT_EQ(headers->inbound[0].peer_headers.forward, proxy::ForwardClientCert::kSanitizeSet);
  EXPECT_EQ(headers->inbound[0].peer_headers.ssl_client, proxy::SslClientHeaders::kAdded);
  const auto proxy_protocol = With("protocol: TCP", "protocol: TCP, proxyProtocol: V2");
  ASSERT_TRUE(proxy_protocol.ok()) << proxy_protocol.status();
  EXPECT_EQ(proxy_protocol->inbound[1].proxy_protocol, proxy::ProxyProtocol::kV2);

  EXPECT_THAT(With("protocol: HTTP", "protocol: HTTP, proxyProtocol: V2").status().message(),
              HasSubstr("inbound[0].proxyProtocol: is for TCP ports only"));
  EXPECT_THAT(
      With("protocol: TCP", "protocol: TCP, clientCertificateHeaders: {}").status().message(),
      HasSubstr("inbound[1].clientCertificateHeaders: is for HTTP ports only"));
}

TEST_F(BootstrapTest, ReadsEveryField) {
  const auto bootstrap = Load(kWhole);
  ASSERT_TRUE(bootstrap.ok()) << bootstrap.status();
  EXPECT_EQ(bootstrap->Id()->text(), "spiffe://mesh.example/ns/demo/sa/backend");
  EXPECT_EQ(bootstrap->name, "backend-1");
  EXPECT_THAT(bootstrap->labels, UnorderedElementsAre(Pair("app", "backend")));
  EXPECT_EQ(bootstrap->control_plane, "127.0.0.1:15012");
  EXPECT_EQ(bootstrap->server_name, "kith-controlplane");
  EXPECT_EQ(bootstrap->roots_pem, ca_.root_pem());
  EXPECT_EQ(bootstrap->token_file, "/run/token");
  EXPECT_EQ(bootstrap->lifetime, absl::Minutes(10));
  ASSERT_EQ(bootstrap->inbound.size(), 2u);
  EXPECT_EQ(bootstrap->inbound[0].bind.ToString(), "127.0.0.1:8443");
  EXPECT_EQ(bootstrap->inbound[0].application.ToString(), "127.0.0.1:8080");
  EXPECT_EQ(bootstrap->inbound[0].port, 8080) << "the application's";
  EXPECT_EQ(bootstrap->inbound[0].protocol, mesh::Protocol::kHttp);
  EXPECT_EQ(bootstrap->inbound[1].port, 6000);
  EXPECT_EQ(bootstrap->inbound[1].protocol, mesh::Protocol::kTcp);
  ASSERT_EQ(bootstrap->outbound.size(), 1u);
  EXPECT_EQ(bootstrap->outbound[0].service, "db.demo.svc.cluster.local");
  EXPECT_EQ(bootstrap->outbound[0].port, 5432);
  EXPECT_EQ(bootstrap->admin_socket.UnixPath(), "/run/kith.sock");
  EXPECT_EQ(bootstrap->monitoring_address.ToString(), "127.0.0.1:15099");
  EXPECT_EQ(bootstrap->access_log, "stdout");
  EXPECT_EQ(bootstrap->log_level, base::LogLevel::kWarning);
  EXPECT_EQ(bootstrap->workers, 2u);
  EXPECT_EQ(bootstrap->links, proxy::Links::kOff);
  EXPECT_EQ(bootstrap->rules.min_version, tls::MinVersion::kTls12);
  EXPECT_EQ(bootstrap->timeouts.connect, absl::Seconds(1));
  EXPECT_EQ(bootstrap->timeouts.handshake, absl::Seconds(2));
  EXPECT_EQ(bootstrap->timeouts.head, absl::Seconds(3));
  EXPECT_EQ(bootstrap->timeouts.idle, absl::Seconds(4));
  EXPECT_EQ(bootstrap->timeouts.response, absl::Seconds(5));
  EXPECT_EQ(bootstrap->drain, absl::Seconds(6));
  EXPECT_EQ(bootstrap->timeouts.request, absl::Seconds(7));
  EXPECT_EQ(bootstrap->timeouts.per_try, absl::Seconds(8));
  EXPECT_EQ(bootstrap->timeouts.stream_idle, absl::Seconds(9));
  EXPECT_EQ(bootstrap->memory_limit, 67108864u);
  EXPECT_EQ(bootstrap->retries.attempts, 4u);
  EXPECT_EQ(bootstrap->retries.budget_percent, 30u);
  EXPECT_EQ(bootstrap->retries.budget_per_second, 0u);
  EXPECT_EQ(bootstrap->limits.connections, 7u);
  EXPECT_EQ(bootstrap->limits.request_head_bytes, 8192u);
}

TEST_F(BootstrapTest, FillsInItsDefaults) {
  const auto bootstrap = Load(R"(
workload: {name: a, namespace: b, serviceAccount: c}
controlPlane: {address: "cp.example:15012", trustBundleFile: ROOTS, tokenFile: t}
outbound: [{bind: "127.0.0.1:9000", service: db, port: 1}]
admin: {socket: s}
)");
  ASSERT_TRUE(bootstrap.ok()) << bootstrap.status();
  EXPECT_EQ(bootstrap->Id()->text(), "spiffe://cluster.local/ns/b/sa/c");
  EXPECT_EQ(bootstrap->server_name, "cp.example");
  EXPECT_EQ(bootstrap->lifetime, absl::Hours(24));
  EXPECT_EQ(bootstrap->monitoring_address.ToString(), "127.0.0.1:15020");
  EXPECT_EQ(bootstrap->access_log, "");
  EXPECT_EQ(bootstrap->log_level, base::LogLevel::kInfo);
  EXPECT_EQ(bootstrap->workers, 1u);
  EXPECT_EQ(bootstrap->rules.min_version, tls::MinVersion::kTls13);
  EXPECT_EQ(bootstrap->timeouts.connect, absl::Seconds(5));
  EXPECT_EQ(bootstrap->timeouts.handshake, absl::Seconds(10));
  EXPECT_EQ(bootstrap->timeouts.head, absl::Seconds(30));
  EXPECT_EQ(bootstrap->timeouts.idle, absl::Hours(1));
  EXPECT_EQ(bootstrap->timeouts.response, absl::ZeroDuration());
  EXPECT_EQ(bootstrap->drain, absl::Seconds(15));
  EXPECT_EQ(bootstrap->limits.connections, 10000u);
  EXPECT_EQ(bootstrap->limits.request_head_bytes, 32768u);
}

TEST_F(BootstrapTest, ReadsRevocationAndBreakGlass) {
  const std::string whole = kWhole;
  const auto bootstrap = Load(whole + "revocation: {mode: HARD, crlFiles: [/a.crl, /b.crl]}\n" +
                              "breakGlass: {permitted: true, maxDuration: 2h}\n");
  ASSERT_TRUE(bootstrap.ok()) << bootstrap.status();
  EXPECT_EQ(bootstrap->rules.peer.revocation, tls::RevocationMode::kHard);
  EXPECT_EQ(bootstrap->crl_files, (std::vector<std::string>{"/a.crl", "/b.crl"}));
  EXPECT_TRUE(bootstrap->break_glass_permitted);
  EXPECT_EQ(bootstrap->break_glass_longest, absl::Hours(2));

  EXPECT_THAT(std::string(Load(whole + "breakGlass: {maxDuration: 25h}\n").status().message()),
              testing::HasSubstr("breakGlass.maxDuration: must be at most 24 h"));
  EXPECT_FALSE(Load(whole)->break_glass_permitted);
}

TEST_F(BootstrapTest, ReadsWhichRespondersAreAsked) {
  const std::string whole = kWhole;
  EXPECT_FALSE(Load(whole)->responders.has_value());
  const auto asked = Load(whole + "revocation: {responders: {}}\n");
  ASSERT_TRUE(asked.ok()) << asked.status();
  ASSERT_TRUE(asked->responders.has_value());
  EXPECT_EQ(asked->responders->origination_mode, tls::RevocationMode::kSoft);
  EXPECT_EQ(asked->responders->timeout, absl::Seconds(2));
  const auto inside = base::SocketAddress::Parse("10.20.0.1:80").value();
  EXPECT_FALSE(asked->responders->networks.Check(inside).ok());
  const auto full = Load(whole +
                         "revocation: {responders: {originationMode: HARD, networks: "
                         "[10.20.0.0/16], timeout: 1s}}\n");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->responders->origination_mode, tls::RevocationMode::kHard);
  EXPECT_EQ(full->responders->timeout, absl::Seconds(1));
  EXPECT_TRUE(full->responders->networks.Check(inside).ok());
  EXPECT_THAT(
      std::string(
          Load(whole + "revocation: {responders: {networks: [10.0.0.0/40]}}\n").status().message()),
      testing::HasSubstr("revocation.responders.networks"));
  EXPECT_THAT(
      std::string(Load(whole + "revocation: {responders: {timeout: 11s}}\n").status().message()),
      testing::HasSubstr("revocation.responders.timeout: must be at most 10 s"));
}

TEST_F(BootstrapTest, TakesTheControlPlanesHostAsItsName) {
  EXPECT_EQ(With("  serverName: kith-controlplane\n", "")->server_name, "127.0.0.1");
  EXPECT_EQ(With("address: 127.0.0.1:15012\n  serverName: kith-controlplane\n",
                 "address: cp.example:15012\n")
                ->server_name,
            "cp.example");
}

struct Refusal {
  const char* old;
  const char* now;
  const char* says;
};

TEST_F(BootstrapTest, RefusesWhatIsWrongAndNamesTheField) {
  const Refusal kCases[] = {
      {"  name: backend-1\n", "", "workload.name: is required"},
      {"namespace: demo", "namespace: a/b", "workload.namespace: \"a/b\""},
      {"serviceAccount: backend\n", "serviceAccount: ..\n", "workload.serviceAccount"},
      {"mesh.example", "UPPER", "workload.trustDomain"},
      {"  address: 127.0.0.1:15012\n", "", "controlPlane.address: is required"},
      {"address: 127.0.0.1:15012", "address: 127.0.0.1", "controlPlane.address"},
      {"address: 127.0.0.1:15012", "address: cp:0", "controlPlane.address"},
      {"address: 127.0.0.1:15012", "address: cp:99999", "controlPlane.address"},
      {"address: 127.0.0.1:15012", "address: unix:/x", "controlPlane.address"},
      {"  trustBundleFile: ROOTS\n", "", "controlPlane.trustBundleFile: is required"},
      {"ROOTS", "/nowhere/roots.pem", "/nowhere/roots.pem"},
      {"  tokenFile: /run/token\n", "", "controlPlane.tokenFile: is required"},
      {"lifetime: 10m", "lifetime: 0s", "identity.lifetime"},
      {"lifetime: 10m", "lifetime: -1s", "identity.lifetime"},
      {"lifetime: 10m", "lifetime: 500ms", "identity.lifetime"},
      {"lifetime: 10m", "lifetime: 90000h", "identity.lifetime"},
      {"bind: \"127.0.0.1:8443\"", "bind: localhost:8443", "inbound[0].bind"},
      {"bind: \"127.0.0.1:8443\", ", "", "inbound[0].bind: is required"},
      {"application: \"127.0.0.1:8080\"", "application: \"127.0.0.1:0\"", "inbound[0].application"},
      {", protocol: HTTP", "", "inbound[0].protocol: is required"},
      {"port: 6000", "port: 70000", "inbound[1].port: 70000"},
      {"port: 6000", "port: 8080", "inbound[1].port: 8080 appears twice"},
      {"service: db.demo.svc.cluster.local", "service: '*.example'", "outbound[0].service"},
      {"service: db.demo.svc.cluster.local, ", "", "outbound[0].service"},
      {"cluster.local, port: 5432", "cluster.local, port: 0", "outbound[0].port: 0"},
      {"127.0.0.1:9000", "127.0.0.1:8443", "two listeners"},
      {"{socket: /run/kith.sock}", "{}", "admin.socket: is required"},
      {"15099", "notaport", "observability.address"},
      {"logLevel: warning", "logLevel: loud", "observability.logLevel"},
      {"logLevel: warning", "recentDecisions: 10001", "observability.recentDecisions"},
      {"logLevel: warning", "accessLogHeaders: [\"a b\"]", "observability.accessLogHeaders"},
      {"logLevel: warning", "accessLogHeaders: [Cookie]", "observability.accessLogHeaders"},
      {"workers: 2", "workers: 1000", "workers"},
      {"minVersion: TLS1_2", "minVersion: TLS1_1", "TLS1_1"},
      {"connect: 1s", "connect: 0s", "timeouts.connect: must be more than zero"},
      {"drain: 6s", "drain: -1s", "timeouts.drain"},
      {"requestHeadBytes: 8192", "requestHeadBytes: 10", "limits.requestHeadBytes"},
      {"workers: 2", "wokrers: 2", "wokrers"},
  };
  for (const Refusal& each : kCases) {
    const auto bootstrap = With(each.old, each.now);
    ASSERT_FALSE(bootstrap.ok()) << each.old << " -> " << each.now;
    EXPECT_THAT(std::string(bootstrap.status().message()),
                AllOf(HasSubstr(each.says), HasSubstr(directory_.File("sidecar.yaml"))))
        << each.old << " -> " << each.now;
  }
}

TEST_F(BootstrapTest, ReadsTheApplicationsProbes) {
  const auto bootstrap = With("workers: 2", R"(applicationProbes:
- path: /app-health/web/readyz
  timeout: 4s
  httpGet: {port: 8080, path: "/ready?x=1", headers: [{name: Host, value: web}]}
- {path: /app-health/web/livez, tcpSocket: {port: 5432}}
- {path: /app-lifecycle/web/prestopz, grpc: {port: 9090, service: shop}}
workers: 2)");
  ASSERT_TRUE(bootstrap.ok()) << bootstrap.status();
  const auto& probes = bootstrap->application_probes;
  ASSERT_EQ(probes.size(), 3);
  EXPECT_EQ(probes[0].check, ApplicationProbe::Check::kHttp);
  EXPECT_EQ(probes[0].timeout, absl::Seconds(4));
  EXPECT_EQ(probes[0].target, "/ready?x=1");
  EXPECT_EQ(probes[0].headers.size(), 1);
  EXPECT_EQ(probes[1].port, 5432);
  EXPECT_EQ(probes[1].timeout, absl::Seconds(1));
  EXPECT_EQ(probes[2].service, "shop");
}

TEST_F(BootstrapTest, RefusesProbesThatCannotBeAsked) {
  const auto error = [this](const std::string& probe) {
    const auto bootstrap = With("workers: 2", "applicationProbes: [" + probe + "]");
    return std::string(bootstrap.status().message());
  };
  EXPECT_THAT(error("{path: /metrics, tcpSocket: {port: 1}}"),
              HasSubstr("applicationProbes[0].path: must begin with /app-health/"));
  EXPECT_THAT(error("{path: /app-health/a/b}"), HasSubstr("httpGet: is required"));
  EXPECT_THAT(error("{path: /app-health/a/b, tcpSocket: {port: 70000}}"), HasSubstr("port"));
  EXPECT_THAT(error("{path: /app-health/a/b, httpGet: {port: 1, path: \"a b\"}}"),
              HasSubstr("httpGet.path"));
  EXPECT_THAT(error("{path: /app-health/a/b, httpGet: {port: 1, headers: [{name: \"a b\"}]}}"),
              HasSubstr("httpGet.headers"));
}

TEST_F(BootstrapTest, NamesTheSourceOfTextThatIsNoFile) {
  const auto bootstrap = Bootstrap::Parse("workload: {nmae: a}", "$KITH_CONFIG");
  EXPECT_THAT(std::string(bootstrap.status().message()),
              HasSubstr("$KITH_CONFIG:1: workload.nmae"));
}

TEST_F(BootstrapTest, RefusesASidecarWithoutListeners) {
  const auto bootstrap = Load(R"(
workload: {name: a, namespace: b, serviceAccount: c}
controlPlane: {address: "cp.example:15012", trustBundleFile: ROOTS, tokenFile: t}
admin: {socket: s}
)");
  EXPECT_THAT(std::string(bootstrap.status().message()),
              HasSubstr("neither an inbound nor an outbound listener"));
}

TEST_F(BootstrapTest, RefusesATrustBundleThatHoldsNoCertificate) {
  const auto bootstrap = With("ROOTS", directory_.Write("junk.pem", "junk"));
  EXPECT_THAT(std::string(bootstrap.status().message()), HasSubstr("junk.pem"));
}

TEST_F(BootstrapTest, RefusesAFileThatIsMissing) {
  const auto bootstrap = Bootstrap::Load(directory_.File("absent.yaml"));
  EXPECT_THAT(std::string(bootstrap.status().message()), HasSubstr("absent.yaml"));
}

}  // namespace
}  // namespace kith::sidecar
