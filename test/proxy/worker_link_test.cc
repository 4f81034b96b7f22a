// Requests over links: what sidecars of Kith's do between each other, and what HTTP/2 clients and
// applications see of it.
#include <gtest/gtest.h>

#include <future>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/proxy/grpc_timeout.h"
#include "test/http/http2_peer.h"
#include "test/proxy/http2_client.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {
namespace {

using http::Header;
using http::Http2Peer;
using http::Http2Session;

// Sends a request's body back, whatever its framing.
void EchoBodies(Client& connection) {
  for (;;) {
    std::string bytes = connection.ReadUntil("\r\n\r\n");
    const size_t head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string::npos) return;
    const std::string head = absl::AsciiStrToLower(bytes.substr(0, head_end + 4));
    std::string body = bytes.substr(head_end + 4);
    const auto more = [&] {
      const std::string some = connection.ReadSome();
      const bool got = !some.empty() && some[0] != '<';
      if (got) body += some;
      return got;
    };
    std::string payload;
    if (absl::StrContains(head, "transfer-encoding: chunked")) {
      while (!absl::StrContains(body, "\r\n0\r\n\r\n") && !absl::StartsWith(body, "0\r\n\r\n")) {
        if (!more()) return;
      }
      absl::string_view rest = body;
      for (;;) {
        const size_t line = rest.find("\r\n");
        const size_t size = std::stoul(std::string(rest.substr(0, line)), nullptr, 16);
        if (size == 0) break;
        payload += std::string(rest.substr(line + 2, size));
        rest.remove_prefix(line + 2 + size + 2);
      }
    } else {
      const size_t at = head.find("content-length: ");
      const size_t size = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
      while (body.size() < size) {
        if (!more()) return;
      }
      payload = body;
    }
    connection.Send(
        absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", payload.size(), "\r\n\r\n", payload));
  }
}

// An application that speaks HTTP/2 and echoes bodies, with a trailer.
void ServeHttp2(Client& connection) {
  Http2Session::Options options;
  options.role = Http2Session::Role::kServer;
  Http2Peer peer(options);
  std::vector<int32_t> answered;
  for (;;) {
    const std::string some = connection.ReadSome();
    if (some.empty() || some[0] == '<' || !peer.Receive(some).ok()) return;
    for (const auto& [id, notes] : peer.streams) {
      if (!absl::StrContains(notes->text, "end;") || notes->closed) continue;
      if (std::find(answered.begin(), answered.end(), id) != answered.end()) continue;
      answered.push_back(id);
      const Header fields[] = {{":status", "200"}, {"content-type", "application/grpc"}};
      const Header trailers[] = {{"grpc-status", "0"}};
      peer.session.SubmitResponse(id, fields, Http2Session::Message::kGoesOn);
      peer.session.Write(id, http::Bytes(absl::StrCat(notes->text, notes->body)));
      peer.session.End(id, trailers);
    }
    connection.Send(peer.Output());
  }
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

TEST(WorkerLinkTest, CarriesManyConnectionsOverOneHandshake) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  std::vector<std::thread> clients;
  std::atomic<int> answered{0};
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      Client connection(pair.outbound_port());
      for (int request = 0; request < 5; ++request) {
        connection.Send("GET / HTTP/1.1\r\nHost: s\r\n\r\n");
        if (absl::StrContains(connection.ReadUntil("\r\n\r\nok"), "200 OK")) ++answered;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 16 * 5);
  EXPECT_EQ(Handshakes(pair.ServerMetrics()), "1") << "requests that wait share one dial";
  EXPECT_EQ(ActivityOf(*pair.client).upstream_connections, 1u);
}

TEST(WorkerLinkTest, SpreadsOverMoreLinksWhileLargeBodiesFillOne) {
  constexpr size_t kHalf = size_t{2} * 1024 * 1024;
  std::promise<void> rest;
  Application application([gate = rest.get_future().share()](Client& connection) {
    const std::string half(kHalf, 'x');
    for (;;) {
      const std::string head = connection.ReadUntil("\r\n\r\n");
      if (!absl::StrContains(head, "\r\n\r\n")) return;
      if (!absl::StartsWith(head, "GET /large ")) {
        connection.Send(kOk);
        continue;
      }
      connection.Send(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", 2 * kHalf, "\r\n\r\n"));
      connection.Send(half);
      gate.wait();
      connection.Send(half);
    }
  });
  ProxyPair pair(application.port());
  Client reader(pair.outbound_port());
  reader.Send("GET /large HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
  size_t read = 0;
  while (read < kHalf) read += reader.ReadSome().size();
  EXPECT_EQ(ActivityOf(*pair.client).upstream_connections, 1u);
  const auto get = [&] { return absl::StartsWith(pair.Get(), "HTTP/1.1 200 "); };
  // The first still goes beside the large one; the link that it wants is there for a later one.
  for (int i = 0; i < 2000 && ActivityOf(*pair.client).upstream_connections == 1; ++i) {
    ASSERT_TRUE(get());
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(get());
  EXPECT_EQ(ActivityOf(*pair.client).upstream_connections, 2u) << "the second has room";
  EXPECT_EQ(Handshakes(pair.ServerMetrics()), "2");
  rest.set_value();
  EXPECT_GT(reader.ReadAll().size() + read, 2 * kHalf);
}

// TLS 1.3: the link is there on this side before the far end has looked at the certificate.
TEST(WorkerLinkTest, SaysThatTheFarEndRefusesItsCertificate) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  pair.client->SetTls(pair.NewContext("spiffe://elsewhere/ns/n/sa/client"));
  const std::string answer = pair.Get();
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 503 ")) << answer;
  EXPECT_TRUE(absl::StrContains(pair.ClientMetrics(), "reason=\"alert_received\""));
}

TEST(WorkerLinkTest, ReturnsRandomBodiesByteForByteWhileOthersAreBrokenOff) {
  Application application(EchoBodies);
  ProxyPair pair(application.port());
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (unsigned seed = 0; seed < 6; ++seed) {
    clients.emplace_back([&, seed] {
      std::mt19937 random(seed);
      auto connection = std::make_unique<Client>(pair.outbound_port());
      for (int i = 0; i < 40; ++i) {
        std::string body(random() % (i % 8 == 0 ? 400000 : 3000), '\0');
        for (char& c : body) c = static_cast<char>('a' + random() % 26);
        const bool chunked = random() % 2 == 0;
        std::string request = "POST /echo HTTP/1.1\r\nHost: s\r\n";
        if (chunked) {
          absl::StrAppend(&request, "Transfer-Encoding: chunked\r\n\r\n");
          for (size_t at = 0; at < body.size();) {
            const size_t size = std::min<size_t>(body.size() - at, 1 + random() % 50000);
            absl::StrAppend(&request, absl::Hex(size), "\r\n", body.substr(at, size), "\r\n");
            at += size;
          }
          request += "0\r\n\r\n";
        } else {
          absl::StrAppend(&request, "Content-Length: ", body.size(), "\r\n\r\n", body);
        }
        if (random() % 5 == 0) {  // Leaves in the middle of it.
          connection->Send(absl::string_view(request).substr(0, random() % request.size()));
          connection = std::make_unique<Client>(pair.outbound_port());
          continue;
        }
        std::thread sender([&] { connection->Send(request); });
        std::string answer = connection->ReadUntil("\r\n\r\n");
        const size_t head_end = answer.find("\r\n\r\n");
        while (head_end != std::string::npos && answer.size() < head_end + 4 + body.size()) {
          const std::string some = connection->ReadSome();
          if (some.empty() || some == "<timeout>" || some == "<reset>") break;
          answer += some;
        }
        sender.join();
        if (head_end == std::string::npos || answer.substr(head_end + 4) != body) ++wrong;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

TEST(WorkerLinkTest, ServesAnHttp2ClientBeforeAnHttp1Application) {
  Application application(EchoBodies);
  ProxyPair pair(application.port());
  Http2Client client(pair.outbound_port());
  const Header fields[] = {
      {":method", "POST"}, {":scheme", "http"}, {":authority", "server"}, {":path", "/a"}};
  const int32_t id = client.peer.Request(fields, Http2Session::Message::kGoesOn);
  client.peer.session.Write(id, http::Bytes("hello"));
  client.peer.session.End(id, {});
  client.Wait(id);
  EXPECT_EQ(client.peer.Notes(id).body, "hello");
  EXPECT_TRUE(absl::StartsWith(client.peer.Notes(id).text, "200;content-length=5;"))
      << client.peer.Notes(id).text;
}

TEST(WorkerLinkTest, CarriesGrpcFromEndToEnd) {
  Application application(ServeHttp2);
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kHttp2;
  ProxyPair pair(application.port(), options);
  Http2Client client(pair.outbound_port());
  const Header fields[] = {{":method", "POST"},      {":scheme", "http"},
                           {":authority", "server"}, {":path", "/pkg.Service/Call"},
                           {"te", "trailers"},       {"grpc-timeout", "1S"}};
  std::vector<int32_t> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(client.peer.Request(fields, Http2Session::Message::kGoesOn));
    client.peer.session.Write(ids.back(), http::Bytes("message"));
    client.peer.session.End(ids.back(), {});
  }
  for (int32_t id : ids) {
    client.Wait(id);
    EXPECT_TRUE(absl::StartsWith(client.peer.Notes(id).body, "POST /pkg.Service/Call server;"))
        << client.peer.Notes(id).body;
    EXPECT_TRUE(absl::StrContains(client.peer.Notes(id).body, "te=trailers;"));
    const absl::string_view sent = client.peer.Notes(id).body;
    const absl::string_view timeout = sent.substr(sent.find("grpc-timeout=") + 13);
    const auto left = ParseGrpcTimeout(timeout.substr(0, timeout.find(';')));
    EXPECT_GT(left.value_or(absl::ZeroDuration()), absl::ZeroDuration()) << sent;
    EXPECT_LE(left.value_or(absl::InfiniteDuration()), absl::Seconds(1)) << sent;
    EXPECT_TRUE(absl::EndsWith(client.peer.Notes(id).body, "message"));
    EXPECT_TRUE(absl::EndsWith(client.peer.Notes(id).text, "grpc-status=0;end;"))
        << client.peer.Notes(id).text;
  }
}

TEST(WorkerLinkTest, ServesAnHttp1ClientBeforeAnHttp2Application) {
  Application application(ServeHttp2);
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kHttp2;
  ProxyPair pair(application.port(), options);
  Client connection(pair.outbound_port());
  connection.Send("POST /x HTTP/1.1\r\nHost: server\r\nContent-Length: 3\r\n\r\nabc");
  const std::string answer = connection.ReadUntil("grpc-status: 0\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "end;abc")) << answer;
}

TEST(WorkerLinkTest, SpeaksHttp2BehindAPortThatDeclaresNothingToGrpcAndWhereAServiceSaysSo) {
  Application application(ServeHttp2);
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kHttp2;
  options.inbound_protocol = mesh::Protocol::kDetect;
  ProxyPair pair(application.port(), options);
  const auto post = [&](absl::string_view type) {
    Client connection(pair.outbound_port());
    connection.Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: server\r\nContent-Type: ", type,
                                 "\r\nContent-Length: 3\r\n\r\nabc"));
    return connection.ReadUntil("\r\n\r\n");
  };
  EXPECT_TRUE(absl::StartsWith(post("application/grpc"), "HTTP/1.1 200 "));
  EXPECT_TRUE(absl::StartsWith(post("text/plain"), "HTTP/1.1 502 ")) << "in HTTP/1.1";
  auto snapshot = std::make_shared<mesh::Snapshot>();
  snapshot->modes.http2_ports.insert(application.port());
  pair.server->SetConfig({.snapshot = snapshot, .policies = policy::PolicySet::AllowAll()});
  (void)ActivityOf(*pair.server);  // By its answer they are in force.
  EXPECT_TRUE(absl::StartsWith(post("text/plain"), "HTTP/1.1 200 "));
}

TEST(WorkerLinkTest, SendsNothingBehindAConnectThatIsRefused) {
  std::promise<std::string> behind;
  Application application([&](Client& connection) {
    const std::string head = connection.ReadUntil("\r\n\r\n");
    connection.Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    behind.set_value(head.substr(head.find("\r\n\r\n") + 4) + connection.ReadSome());
  });
  ProxyPair pair(application.port());
  Http2Client client(pair.outbound_port());
  const Header fields[] = {{":method", "CONNECT"}, {":authority", "server:80"}};
  const int32_t id = client.peer.Request(fields, Http2Session::Message::kGoesOn);
  client.peer.session.Write(id, http::Bytes("GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"));
  client.Wait(id);
  EXPECT_TRUE(absl::StartsWith(client.peer.Notes(id).text, "403 ")) << client.peer.Notes(id).text;
  EXPECT_EQ(behind.get_future().get(), "");
}

TEST(WorkerLinkTest, DeniesOneStreamAndServesTheNext) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  Client connection(pair.outbound_port());
  const auto get = [&](absl::string_view until) {
    connection.Send("GET / HTTP/1.1\r\nHost: s\r\n\r\n");
    return connection.ReadUntil(until);
  };
  EXPECT_TRUE(absl::StrContains(get("\r\n\r\nok"), "200 OK"));
  pair.SetServerPolicies(policy::PolicySet::DenyAll());
  (void)ActivityOf(*pair.server);  // By its answer the policies are in force.
  EXPECT_TRUE(absl::StartsWith(get("denied"), "HTTP/1.1 403 Forbidden\r\n"));
  pair.SetServerPolicies(policy::PolicySet::AllowAll());
  (void)ActivityOf(*pair.server);
  EXPECT_TRUE(absl::StrContains(get("\r\n\r\nok"), "200 OK"));
  EXPECT_EQ(Handshakes(pair.ServerMetrics()), "1");
}

TEST(WorkerLinkTest, MovesToANewLinkWithANewIdentity) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
  Client busy(pair.outbound_port());
  busy.Send("POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 1\r\n\r\n");
  auto next = pair.NewContext("spiffe://td/ns/n/sa/client");
  pair.client->SetTls(next);
  EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
  EXPECT_TRUE(absl::StrContains(
      pair.ClientMetrics(),
      absl::StrCat("side=\"client\",serial=\"", next->identity().leaf().serial, "\"} 1")))
      << pair.ClientMetrics();
  // What the old link carries is completed there.
  busy.Send("x");
  EXPECT_TRUE(absl::StrContains(busy.ReadUntil("\r\n\r\nok"), "200 OK"));
}

TEST(WorkerLinkTest, MovesToANewLinkWhenTheServerHasANewIdentity) {
  Application application(Answering(kOk));
  ProxyPair pair(application.port());
  EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
  auto next = pair.NewContext("spiffe://td/ns/n/sa/server");
  pair.server->SetTls(next);
  const std::string seen =
      absl::StrCat("side=\"server\",serial=\"", next->identity().leaf().serial, "\"} 1");
  for (int i = 0; i < 1000 && !absl::StrContains(pair.ServerMetrics(), seen); ++i) {
    ASSERT_TRUE(absl::EndsWith(pair.Get(), "ok")) << "none is lost on the way";
  }
  EXPECT_TRUE(absl::StrContains(pair.ServerMetrics(), seen));
}

TEST(WorkerLinkTest, DrainsTheServerSideWithoutLosingWhatIsInFlight) {
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
  EXPECT_EQ(done.wait_for(std::chrono::milliseconds(400)), std::future_status::timeout);
  go_on.set_value();
  EXPECT_TRUE(absl::StrContains(busy.ReadUntil("\r\n\r\nok"), "200 OK"));
  EXPECT_EQ(done.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(WorkerLinkTest, PassesAnAbortedResponseOnAsABrokenOne) {
  Application application([](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    connection.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
  });
  ProxyPair pair(application.port());
  const std::string answer = pair.Get();
  EXPECT_FALSE(absl::StrContains(answer, "0\r\n\r\n")) << "it must not look whole: " << answer;
}

// Also a regression: a connection to the application whose last bytes found a full downstream used
// to be kept without being read any more.
TEST(WorkerLinkTest, DoesNotLetSlowReadersHoldUpOthers) {
  const std::string big(8 * 1024 * 1024, 'x');
  Application application([&](Client& connection) {
    while (true) {
      const std::string head = connection.ReadUntil("\r\n\r\n");
      if (!absl::StrContains(head, "\r\n\r\n")) return;
      if (absl::StartsWith(head, "GET /big")) {
        connection.Send(
            absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", big.size(), "\r\n\r\n", big));
      } else {
        connection.Send(kOk);
      }
    }
  });
  ProxyPair pair(application.port());
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 8; ++i) {
    slow.push_back(std::make_unique<Client>(pair.outbound_port()));
    slow.back()->Send("GET /big HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok")) << i;
  EXPECT_TRUE(absl::EndsWith(slow.front()->ReadAll(), big.substr(0, 100000)));
  slow.clear();
}

}  // namespace
}  // namespace kith::proxy
