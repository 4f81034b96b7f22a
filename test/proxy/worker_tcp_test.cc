#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "test/proxy/proxy_pair.h"
#include "test/support/temporary_crl.h"

namespace kith::proxy {
namespace {

ProxyPair::Options Tcp() {
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kTcp;
  return options;
}

void Echo(Client& connection) {
  for (std::string some = connection.ReadSome(); !some.empty() && some[0] != '<';
       some = connection.ReadSome()) {
    connection.Send(some);
  }
  connection.EndSending();
}

TEST(WorkerTcpTest, CarriesBytesBothWaysAndPassesAHalfCloseOn) {
  Application application(Echo);
  ProxyPair pair(application.port(), Tcp());
  Client connection(pair.outbound_port());
  std::string sent;
  for (int i = 0; i < 1000; ++i) sent += "line " + std::to_string(i) + "\n";
  connection.Send(sent);
  connection.EndSending();
  EXPECT_EQ(connection.ReadAll(), sent);
}

TEST(WorkerTcpTest, PassesWhatAServerSaysFirst) {
  Application application([](Client& connection) {
    connection.Send("220 ready\r\n");
    connection.ReadAll();
  });
  ProxyPair pair(application.port(), Tcp());
  Client connection(pair.outbound_port());
  EXPECT_EQ(connection.ReadUntil("\r\n"), "220 ready\r\n");
}

TEST(WorkerTcpTest, TellsAnApplicationThatAsksWhoItsClientIs) {
  Application application(Echo);
  ProxyPair::Options options = Tcp();
  options.proxy_protocol = ProxyProtocol::kV2;
  ProxyPair pair(application.port(), options);
  Client connection(pair.outbound_port());
  connection.Send("first byte");
  connection.EndSending();
  const std::string echoed = connection.ReadAll();
  EXPECT_EQ(echoed.substr(0, 14), std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14));
  EXPECT_TRUE(absl::EndsWith(echoed, "spiffe://td/ns/n/sa/clientfirst byte")) << echoed;
}

TEST(WorkerTcpTest, DeniesBeforeTheApplicationIsDialled) {
  Application application(Echo);
  ProxyPair::Options options = Tcp();
  options.policies = "deny";
  ProxyPair pair(application.port(), options);
  Client connection(pair.outbound_port());
  connection.Send("hello");
  const std::string answer = connection.ReadAll();
  EXPECT_TRUE(answer.empty() || answer == "<reset>") << answer;
  EXPECT_EQ(application.accepted(), 0);
}

TEST(WorkerTcpTest, ClosesATunnelThatANewPolicyDenies) {
  Application application(Echo);
  ProxyPair pair(application.port(), Tcp());
  Client connection(pair.outbound_port());
  connection.Send("ping");
  EXPECT_EQ(connection.ReadUntil("ping"), "ping");
  pair.SetServerPolicies(policy::PolicySet::AllowAll());
  connection.Send("pong");
  EXPECT_EQ(connection.ReadUntil("pong"), "pong");
  pair.SetServerPolicies(policy::PolicySet::DenyAll());
  const std::string end = connection.ReadAll();
  EXPECT_TRUE(end.empty() || end == "<reset>") << end;
}

TEST(WorkerTcpTest, StrictRefusesPlaintextAndPermissiveTakesIt) {
  Application application(Echo);
  ProxyPair::Options options = Tcp();
  {
    ProxyPair strict(application.port(), options);
    Client connection(strict.inbound_port());
    connection.Send("plain");
    const std::string answer = connection.ReadAll();
    EXPECT_TRUE(answer.empty() || answer == "<reset>") << answer;
    EXPECT_TRUE(absl::StrContains(strict.ServerMetrics(), "reason=\"plaintext_on_strict\"} 1"));
  }
  options.mode = mesh::MtlsMode::kPermissive;
  ProxyPair permissive(application.port(), options);
  Client plain(permissive.inbound_port());
  plain.Send("plain");
  EXPECT_EQ(plain.ReadUntil("plain"), "plain");
  Client meshed(permissive.outbound_port());
  meshed.Send("mesh");
  EXPECT_EQ(meshed.ReadUntil("mesh"), "mesh");
}

TEST(WorkerTcpTest, DisablePassesTlsThrough) {
  Application application(Echo);
  ProxyPair::Options options = Tcp();
  options.mode = mesh::MtlsMode::kDisable;
  ProxyPair pair(application.port(), options);
  Client connection(pair.inbound_port());
  const std::string hello("\x16\x03\x01\x00\x05hello", 10);
  connection.Send(hello);
  EXPECT_EQ(connection.ReadUntil(hello), hello);
}

TEST(WorkerTcpTest, ClosesWhenTheApplicationDoesNotListen) {
  uint16_t port = 0;
  {
    port = Application([](Client&) {}).port();
  }
  ProxyPair pair(port, Tcp());
  Client connection(pair.outbound_port());
  const std::string answer = connection.ReadAll();
  EXPECT_TRUE(answer.empty() || answer == "<reset>") << answer;
}

// The context with a changed rule or bundle.
std::shared_ptr<const tls::Context> Changed(const std::shared_ptr<const tls::Context>& context,
                                            const std::function<void(tls::Context::Options&)>& by) {
  tls::Context::Options options = context->options();
  by(options);
  return *tls::Context::Create(std::move(options));
}

// A counter is raised just after the connection it is about was closed.
testing::AssertionResult Counts(const std::function<std::string()>& metrics,
                                absl::string_view line) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (absl::Now() < deadline) {
    if (absl::StrContains(metrics(), line)) return testing::AssertionSuccess();
    absl::SleepFor(absl::Milliseconds(5));
  }
  return testing::AssertionFailure() << "no " << line << " in\n" << metrics();
}

constexpr char kServer[] = "spiffe://td/ns/n/sa/server";

TEST(WorkerTcpTest, EndsATunnelAtTheEndOfItsTime) {
  Application application(Echo);
  ProxyPair pair(application.port(), Tcp());
  pair.server->SetTls(Changed(pair.NewContext(kServer), [](tls::Context::Options& options) {
    options.rules.max_connection_age = absl::Milliseconds(300);
  }));
  Client connection(pair.outbound_port());
  connection.Send("ping");
  EXPECT_EQ(connection.ReadUntil("ping"), "ping");
  connection.ReadAll();
  EXPECT_TRUE(Counts([&] { return pair.ServerMetrics(); },
                     "kith_connections_ended_total{reason=\"connection_expired\"} 1"));
}

TEST(WorkerTcpTest, EndsATunnelWhoseCertificateEnds) {
  Application application(Echo);
  ProxyPair pair(application.port(), Tcp());
  const test::Credential soon =
      pair.ca.Leaf({.uri_sans = {kServer}, .not_after = absl::Now() + absl::Seconds(2)});
  pair.server->SetTls(Changed(pair.NewContext(kServer), [&](tls::Context::Options& options) {
    options.identity =
        *tls::Identity::Create(soon.chain_pem, *tls::PrivateKey::FromPem(soon.key_pem));
  }));
  Client connection(pair.outbound_port());
  connection.Send("ping");
  EXPECT_EQ(connection.ReadUntil("ping"), "ping");
  connection.ReadAll();
  EXPECT_TRUE(Counts([&] { return pair.ServerMetrics() + pair.ClientMetrics(); },
                     "kith_connections_ended_total{reason=\"connection_expired\"} 1"));
}

TEST(WorkerTcpTest, EndsATunnelWhosePeerIsRevoked) {
  Application application(Echo);
  ProxyPair pair(application.port(), Tcp());
  const test::Credential peer = pair.ca.Leaf("spiffe://td/ns/n/sa/client");
  const auto with_peer = [&](tls::Context::Options& options) {
    options.identity =
        *tls::Identity::Create(peer.chain_pem, *tls::PrivateKey::FromPem(peer.key_pem));
  };
  pair.client->SetTls(Changed(pair.NewContext("spiffe://td/ns/n/sa/client"), with_peer));
  const auto context = pair.NewContext(kServer);
  pair.server->SetTls(context);
  Client connection(pair.outbound_port());
  connection.Send("ping");
  EXPECT_EQ(connection.ReadUntil("ping"), "ping");
  pair.server->SetTls(Changed(context, [&](tls::Context::Options& options) {
    std::vector<tls::TrustBundle::Domain> domains = options.bundle->domains();
    domains[0].crls = {test::MakeCrl(pair.ca.root(), {.revoked = {peer}})};
    options.bundle = *tls::TrustBundle::Create(std::move(domains));
  }));
  connection.ReadAll();
  EXPECT_TRUE(Counts([&] { return pair.ServerMetrics(); },
                     "kith_connections_ended_total{reason=\"certificate_revoked\"} 1"));
}

}  // namespace
}  // namespace kith::proxy
