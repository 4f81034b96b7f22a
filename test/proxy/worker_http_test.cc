#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {
namespace {

TEST(WorkerHttpTest, CarriesARequestOverMutualTls) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  const std::string answer = pair.Get("/a?b=c");
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(absl::EndsWith(answer, "\r\n\r\nok")) << answer;
  const std::string metrics = pair.ServerMetrics();
  EXPECT_TRUE(absl::StrContains(
      metrics,
      "kith_tls_handshakes_total{side=\"server\",result=\"ok\",reason=\"-\",source_principal="
      "\"spiffe://td/ns/n/sa/client\",destination_principal=\"spiffe://td/ns/n/sa/server\"} 1"))
      << metrics;
}

TEST(WorkerHttpTest, ForwardsHeadersButNoHopByHopOnesAndAddsARequestId) {
  std::mutex mutex;
  std::string seen;
  Application application([&](Client& connection) {
    const std::string head = connection.ReadUntil("\r\n\r\n");
    std::lock_guard<std::mutex> lock(mutex);
    seen = head;
    connection.Send(kOk);
  });
  ProxyPair pair(application.port());
  Client connection(pair.outbound_port());
  connection.Send(
      "GET /x HTTP/1.1\r\nHost: server\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n"
      "X-Forwarded-Client-Cert: forged\r\n\r\n");
  connection.ReadAll();
  std::lock_guard<std::mutex> lock(mutex);
  EXPECT_TRUE(absl::StartsWith(seen, "GET /x HTTP/1.1\r\nhost: server\r\n")) << seen;
  EXPECT_TRUE(absl::StrContains(seen, "\r\nx-end: 2\r\n")) << seen;
  EXPECT_FALSE(absl::StrContains(seen, "x-hop")) << seen;
  EXPECT_FALSE(absl::StrContains(seen, "forged")) << seen;
  EXPECT_TRUE(
      absl::StrContains(seen, "\r\nx-forwarded-client-cert: By=spiffe://td/ns/n/sa/server;Hash="))
      << seen;
  EXPECT_TRUE(absl::StrContains(seen, ";URI=spiffe://td/ns/n/sa/client\r\n")) << seen;
  EXPECT_TRUE(absl::StrContains(seen, "\r\nx-request-id: ")) << seen;
}

TEST(WorkerHttpTest, ReusesConnectionsOnBothLegs) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
  EXPECT_EQ(application.accepted(), 1);
  EXPECT_TRUE(absl::StrContains(pair.ServerMetrics(), "sa/server\"} 1\n"));
}

TEST(WorkerHttpTest, RefusesAServerThatIsNotWhoItShouldBe) {
  Application application(Answering(kOk));
  ProxyPair::Options options;
  options.expected = "spiffe://td/ns/n/sa/another";
  ProxyPair pair(application.port(), options);
  const std::string answer = pair.Get();
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 503 ")) << answer;
  EXPECT_FALSE(absl::StrContains(answer, "spiffe")) << "no detail reaches a response: " << answer;
  EXPECT_EQ(application.accepted(), 0);
  EXPECT_TRUE(absl::StrContains(pair.ClientMetrics(), "result=\"failed\",reason=\"wrong_san\""));
}

TEST(WorkerHttpTest, AnswersWith503WithoutAnIdentityOfItsOwn) {
  Application application(Answering(kOk));
  ProxyPair::Options options;
  options.client_has_identity = false;
  ProxyPair pair(application.port(), options);
  EXPECT_TRUE(absl::StartsWith(pair.Get(), "HTTP/1.1 503 "));
}

TEST(WorkerHttpTest, RefusesADeniedRequestWithTheExactBodyAndKeepsTheConnection) {
  Application application(Answering(kOk));
  ProxyPair::Options options;
  options.policies = "deny";
  ProxyPair pair(application.port(), options);
  Client connection(pair.outbound_port());
  for (int i = 0; i < 3; ++i) {
    connection.Send("POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\nhello");
    const std::string answer = connection.ReadUntil("denied");
    EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 403 Forbidden\r\n")) << answer;
    EXPECT_TRUE(absl::EndsWith(answer, "\r\n\r\nRBAC: access denied")) << answer;
  }
  EXPECT_EQ(application.accepted(), 0);
  EXPECT_TRUE(
      absl::StrContains(pair.ServerMetrics(), "kith_policy_decisions_total{action=\"deny\""));
}

TEST(WorkerHttpTest, RepeatsAGetWhoseIdleConnectionTheApplicationClosed) {
  // Each connection serves one request, says nothing of closing, and closes.
  Application application([](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    connection.Send(kOk);
  });
  ProxyPair pair(application.port());
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok")) << "request " << i;
  }
}

TEST(WorkerHttpTest, DoesNotRepeatAPostThatMayHaveBeenProcessed) {
  std::atomic<int> posts{0};
  Application application([&](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    connection.Send(kOk);
    // The second request of the connection is read and not answered.
    if (absl::StrContains(connection.ReadUntil("hello"), "hello")) ++posts;
  });
  ProxyPair pair(application.port());
  EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
  Client connection(pair.outbound_port());
  connection.Send(
      "POST / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(absl::StartsWith(connection.ReadAll(), "HTTP/1.1 502 "));
  EXPECT_EQ(posts, 1);
}

TEST(WorkerHttpTest, BreaksTheConnectionWhenAResponseIsCutShort) {
  Application application([](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
  });
  ProxyPair pair(application.port());
  const std::string answer = pair.Get();
  EXPECT_FALSE(absl::EndsWith(answer, "part")) << "a truncated body must not look whole";
}

TEST(WorkerHttpTest, EndsAResponseWithoutLengthAsChunks) {
  Application application([](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    connection.Send("HTTP/1.0 200 OK\r\n\r\nuntil the end");
  });
  ProxyPair pair(application.port());
  const std::string answer = pair.Get();
  EXPECT_TRUE(absl::StrContains(answer, "\r\nTransfer-Encoding: chunked\r\n")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "until the end")) << answer;
  EXPECT_TRUE(absl::EndsWith(answer, "\r\n0\r\n\r\n")) << answer;
}

TEST(WorkerHttpTest, PassesInterimResponsesAndExpectations) {
  Application application([](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    connection.Send("HTTP/1.1 100 Continue\r\n\r\n");
    const std::string body = connection.ReadUntil("late body");
    connection.Send(
        absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    connection.ReadAll();
  });
  ProxyPair pair(application.port());
  Client connection(pair.outbound_port());
  connection.Send(
      "POST / HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(connection.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 "));
  connection.Send("late body");
  EXPECT_TRUE(absl::StrContains(connection.ReadUntil("late body"), "HTTP/1.1 200 OK"));
}

TEST(WorkerHttpTest, HoldsBackASourceThatIsFasterThanItsReader) {
  // 64 MiB towards a client that does not read: the proxies must stop taking it.
  std::atomic<size_t> sent{0};
  constexpr size_t kBody = 64 * 1024 * 1024;
  Application application([&](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    connection.Send(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", kBody, "\r\n\r\n"));
    const std::string piece(64 * 1024, 'x');
    while (sent < kBody) {
      connection.Send(piece);
      sent += piece.size();
    }
    connection.ReadAll();
  });
  ProxyPair pair(application.port());
  Client connection(pair.outbound_port());
  connection.Send("GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
  size_t settled = 0;
  do {  // Until nothing has moved for a while.
    settled = sent;
    absl::SleepFor(absl::Milliseconds(300));
  } while (sent != settled);
  EXPECT_LT(sent, kBody / 2) << "socket buffers and watermarks hold a few MiB, not everything";
  size_t received = 0;
  for (std::string some = connection.ReadSome(); !some.empty(); some = connection.ReadSome()) {
    ASSERT_NE(some, "<timeout>");
    received += some.size();
  }
  EXPECT_GT(received, kBody);
}

TEST(WorkerHttpTest, NewHandshakesUseANewIdentityWhileOldConnectionsGoOn) {
  Application application(Answering(kOk));
  ProxyPair::Options options;
  options.links = Links::kOff;  // Over a link, one handshake would do for all.
  ProxyPair pair(application.port(), options);
  Client old_connection(pair.outbound_port());
  old_connection.Send("GET / HTTP/1.1\r\nHost: s\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(old_connection.ReadUntil("\r\n\r\nok"), "200 OK"));
  auto next = pair.NewContext("spiffe://td/ns/n/sa/server");
  const std::string serial = next->identity().leaf().serial;
  pair.server->SetTls(next);
  for (int i = 0; i < 5; ++i) {
    old_connection.Send("GET / HTTP/1.1\r\nHost: s\r\n\r\n");
    EXPECT_TRUE(absl::StrContains(old_connection.ReadUntil("\r\n\r\nok"), "200 OK"));
  }
  // The pool of a new client is empty, so it makes a handshake.
  EXPECT_FALSE(absl::StrContains(pair.ServerMetrics(), serial));
  Client plain(pair.inbound_port());
  Client busy(pair.outbound_port());
  busy.Send("POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 1\r\n\r\n");
  EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
  busy.Send("x");
  busy.ReadUntil("\r\n\r\nok");
  EXPECT_TRUE(absl::StrContains(pair.ServerMetrics(), absl::StrCat("serial=\"", serial, "\"")));
}

TEST(WorkerHttpTest, DrainsWhatIsInFlightForItsApplication) {
  std::promise<void> arrived;
  std::promise<void> go_on;
  Application application([&](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    arrived.set_value();
    go_on.get_future().wait();
    connection.Send(kOk);
    connection.ReadAll();
  });
  ProxyPair pair(application.port());
  Client busy(pair.outbound_port());
  busy.Send("GET / HTTP/1.1\r\nHost: s\r\n\r\n");
  arrived.get_future().wait();
  std::promise<void> drained;
  pair.server->Drain([&] { drained.set_value(); });
  std::future<void> done = drained.get_future();
  EXPECT_EQ(done.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  go_on.set_value();
  EXPECT_TRUE(absl::EndsWith(busy.ReadUntil("\r\n\r\nok"), "ok"));
  EXPECT_EQ(done.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(WorkerHttpTest, ServesItsOwnApplicationWhileItDrains) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  Client before(pair.outbound_port());
  std::promise<void> drained;
  pair.client->Drain([&] { drained.set_value(); });
  std::future<void> done = drained.get_future();
  {
    Client idle(pair.outbound_port());
    EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
    before.Send("GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(absl::EndsWith(before.ReadAll(), "ok"));
    EXPECT_EQ(done.wait_for(std::chrono::milliseconds(500)), std::future_status::timeout);
  }
  before.EndSending();
  EXPECT_EQ(done.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(WorkerHttpTest, CarriesAnUpgradedConnectionAsBytes) {
  Application application([](Client& connection) {
    const std::string head = connection.ReadUntil("\r\n\r\n");
    EXPECT_TRUE(absl::StrContains(head, "Connection: Upgrade\r\nUpgrade: websocket\r\n")) << head;
    connection.Send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
        "Upgrade: websocket\r\n\r\nwelcome;");
    const std::string all = connection.ReadAll();
    connection.Send(absl::StrCat("got ", all));
  });
  ProxyPair pair(application.port());
  Client client(pair.outbound_port());
  // What is sent ahead of the answer waits for it.
  client.Send(
      "GET /chat HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly;");
  const std::string begin = client.ReadUntil("welcome;");
  EXPECT_TRUE(absl::StartsWith(begin, "HTTP/1.1 101 ")) << begin;
  EXPECT_TRUE(absl::StrContains(begin, "Upgrade: websocket\r\n")) << begin;
  client.Send("late;");
  client.EndSending();
  EXPECT_EQ(client.ReadAll(), "got early;late;");
}

TEST(WorkerHttpTest, TakesARefusedUpgradeForAnAnswer) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  Client client(pair.outbound_port());
  const std::string ask =
      "GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  client.Send(ask);
  EXPECT_TRUE(absl::StartsWith(client.ReadUntil("\r\n\r\nok"), "HTTP/1.1 200 "));
  client.Send("GET / HTTP/1.1\r\nHost: s\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(client.ReadUntil("\r\n\r\nok"), "HTTP/1.1 200 "));
}

TEST(WorkerHttpTest, ConnectsThroughAnApplicationThatIsAProxy) {
  Application application([](Client& connection) {
    const std::string head = connection.ReadUntil("\r\n\r\n");
    EXPECT_TRUE(absl::StartsWith(head, "CONNECT far:443 HTTP/1.1\r\n")) << head;
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nbytes;");
    EXPECT_EQ(connection.ReadUntil(";"), "more;");
    connection.Send("end");
  });
  ProxyPair pair(application.port());
  Client client(pair.outbound_port());
  client.Send("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n");
  const std::string begin = client.ReadUntil("bytes;");
  EXPECT_FALSE(absl::StrContains(begin, "Content-Length")) << begin;
  client.Send("more;");
  EXPECT_EQ(client.ReadAll(), "end");
}

TEST(WorkerHttpTest, DropsAnUpgradeThatWouldPassThePolicies) {
  Application application([](Client& connection) {
    const std::string head = connection.ReadUntil("\r\n\r\n");
    EXPECT_FALSE(absl::StrContains(head, "Upgrade")) << head;
    connection.Send(kOk);
    connection.ReadAll();
  });
  ProxyPair pair(application.port());
  Client client(pair.outbound_port());
  client.Send(
      "GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade, HTTP2-Settings\r\n"
      "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(client.ReadUntil("\r\n\r\nok"), "HTTP/1.1 200 "));
}

TEST(WorkerHttpTest, EndsAHeadThatDoesNotArriveInTime) {
  Application application(Answering(kOk));
  ProxyPair::Options options;
  options.timeouts.head = absl::Milliseconds(150);
  ProxyPair pair(application.port(), options);
  Client slow(pair.outbound_port());
  slow.Send("GET / HTTP/1.1\r\nHo");
  EXPECT_TRUE(absl::StartsWith(slow.ReadAll(), "HTTP/1.1 408 "));
}

TEST(WorkerHttpTest, RefusesAHeadThatIsCutShort) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  Client client(pair.outbound_port());
  client.Send("GET / HTTP/1.1\r\nHost: s\r\nTrunc");
  client.EndSending();
  EXPECT_TRUE(absl::StartsWith(client.ReadAll(), "HTTP/1.1 400 "));
  EXPECT_TRUE(absl::StrContains(pair.ClientMetrics(),
                                "kith_http_bad_requests_total{reason=\"truncated\"} 1"));
}

TEST(WorkerHttpTest, AnswersWith504WhenAResponseDoesNotComeInTime) {
  Application application([](Client& connection) { connection.ReadAll(); });
  ProxyPair::Options options;
  options.timeouts.response = absl::Milliseconds(150);
  ProxyPair pair(application.port(), options);
  EXPECT_TRUE(absl::StartsWith(pair.Get(), "HTTP/1.1 504 "));
}

}  // namespace
}  // namespace kith::proxy
