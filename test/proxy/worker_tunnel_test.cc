// Opaque TCP as streams of a link between two workers.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "test/proxy/proxy_pair.h"

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

std::string Handshakes(const std::string& metrics) {
  const std::string name = "kith_tls_handshakes_by_certificate_total{side=\"server\"";
  const size_t at = metrics.find(name);
  if (at == std::string::npos) return "none";
  const size_t space = metrics.find("} ", at) + 2;
  return metrics.substr(space, metrics.find('\n', space) - space);
}

Worker::Activity ActivityOf(Worker& worker) {
  std::promise<Worker::Activity> answer;
  worker.Query([&](const Worker::Activity& activity) { answer.set_value(activity); });
  return answer.get_future().get();
}

testing::AssertionResult Reaches(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (absl::Now() < deadline) {
    if (condition()) return testing::AssertionSuccess();
    absl::SleepFor(absl::Milliseconds(5));
  }
  return testing::AssertionFailure() << "not within 10 s";
}

TEST(WorkerTunnelTest, CarriesManyConnectionsOverOneHandshakeAndLeavesNothingBehind) {
  Application application(Echo);
  ProxyPair pair(application.port(), Tcp());
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 50; ++i) {
      clients.push_back(std::make_unique<Client>(pair.outbound_port()));
      clients.back()->Send(absl::StrCat("client ", i, ";"));
    }
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(clients[static_cast<size_t>(i)]->ReadUntil(";"), absl::StrCat("client ", i, ";"));
    }
    EXPECT_EQ(Handshakes(pair.ServerMetrics()), "1");
  }
  EXPECT_TRUE(Reaches([&] {
    return ActivityOf(*pair.client).outbound_connections == 0 &&
           ActivityOf(*pair.server).inbound_connections == 1;  // The link.
  }));
}

TEST(WorkerTunnelTest, KeepsEitherDirectionOpenBehindAHalfClose) {
  Application application([](Client& connection) {
    connection.Send("greeting");
    connection.EndSending();
    const std::string all = connection.ReadAll();
    EXPECT_EQ(all, std::string(300000, 'x') + "end");
  });
  ProxyPair pair(application.port(), Tcp());
  Client server_ends_first(pair.outbound_port());
  EXPECT_EQ(server_ends_first.ReadAll(), "greeting");
  server_ends_first.Send(std::string(300000, 'x'));
  server_ends_first.Send("end");
  server_ends_first.EndSending();

  Application counting(
      [](Client& connection) { connection.Send(absl::StrCat(connection.ReadAll().size())); });
  ProxyPair other(counting.port(), Tcp());
  Client client_ends_first(other.outbound_port());
  client_ends_first.Send(std::string(300000, 'x'));
  client_ends_first.EndSending();
  EXPECT_EQ(client_ends_first.ReadAll(), "300000");
}

TEST(WorkerTunnelTest, PassesAResetOn) {
  std::promise<std::string> seen;
  Application application([&](Client& connection) {
    connection.Send("ready");
    seen.set_value(connection.ReadAll());
  });
  ProxyPair pair(application.port(), Tcp());
  {
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    const base::SocketAddress to =
        *base::SocketAddress::Parse(absl::StrCat("127.0.0.1:", pair.outbound_port()));
    ASSERT_EQ(connect(descriptor, to.get(), to.length()), 0);
    const linger reset = {1, 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    Client client(descriptor);
    EXPECT_EQ(client.ReadUntil("ready"), "ready");
  }
  EXPECT_EQ(seen.get_future().get(), "<reset>");
}

TEST(WorkerTunnelTest, HoldsBackASourceWhoseReaderDoesNotReadAndServesTheOthers) {
  std::atomic<size_t> sent{0};
  constexpr size_t kAll = size_t{64} << 20;
  Application application([&](Client& connection) {
    if (connection.ReadSome() != "flood") return Echo(connection);
    const std::string piece(size_t{1} << 20, 'x');
    while (sent < kAll) {
      connection.Send(piece);
      sent += piece.size();
    }
    connection.EndSending();
  });
  ProxyPair pair(application.port(), Tcp());
  Client slow(pair.outbound_port());
  slow.Send("flood");
  size_t before = SIZE_MAX;
  EXPECT_TRUE(Reaches([&] {
    absl::SleepFor(absl::Milliseconds(100));
    return std::exchange(before, sent.load()) == sent.load() && sent > 0;
  }));
  // The buffers of three sockets and the stream's window.
  const size_t held = sent;
  EXPECT_LT(held, kAll / 2);
  Client quick(pair.outbound_port());
  quick.Send("first");
  absl::SleepFor(absl::Milliseconds(1));
  quick.Send(std::string(200000, 'y'));
  quick.EndSending();
  EXPECT_TRUE(absl::EndsWith(quick.ReadAll(), std::string(100000, 'y')));
  size_t read = 0;
  while (read < held) {
    const std::string some = slow.ReadSome();
    ASSERT_FALSE(some.empty());
    read += some.size();
  }
  EXPECT_TRUE(Reaches([&] { return sent > held; }));
}

TEST(WorkerTunnelTest, ReachesAnotherEndpointWhenTheFarApplicationDoesNotListen) {
  Application application(Echo);
  uint16_t gone = 0;
  {
    gone = Application([](Client&) {}).port();
  }
  ProxyPair::Options options = Tcp();
  options.traffic.balancer = mesh::Balancer::kRoundRobin;
  options.plaintext_endpoints = {application.port()};
  ProxyPair pair(gone, options);
  for (int i = 0; i < 4; ++i) {
    Client client(pair.outbound_port());
    client.Send("ping");
    EXPECT_EQ(client.ReadUntil("ping"), "ping");
  }
}

TEST(WorkerTunnelTest, OpensOnANewLinkWithANewIdentityWhileOldTunnelsGoOn) {
  Application application(Echo);
  ProxyPair pair(application.port(), Tcp());
  Client old(pair.outbound_port());
  old.Send("before;");
  EXPECT_EQ(old.ReadUntil(";"), "before;");
  pair.server->SetTls(pair.NewContext("spiffe://td/ns/n/sa/server"));
  ActivityOf(*pair.server);
  EXPECT_TRUE(Reaches([&] {
    Client client(pair.outbound_port());
    client.Send("after;");
    return client.ReadUntil(";") == "after;" &&
           absl::StrContains(pair.ServerMetrics(), "kith_tls_handshakes_total") &&
           ActivityOf(*pair.client).upstream_connections == 2;
  }));
  old.Send("still;");
  EXPECT_EQ(old.ReadUntil(";"), "still;");
}

TEST(WorkerTunnelTest, FallsBackToAConnectionOfItsOwn) {
  Application application(Echo);
  ProxyPair::Options options = Tcp();
  options.links = Links::kOff;
  ProxyPair pair(application.port(), options);
  for (int i = 0; i < 3; ++i) {
    Client client(pair.outbound_port());
    client.Send("ping");
    client.EndSending();
    EXPECT_EQ(client.ReadAll(), "ping");
  }
  EXPECT_EQ(Handshakes(pair.ServerMetrics()), "3");
}

}  // namespace
}  // namespace kith::proxy
