// How long a request, one try of it and a pause in it may take, and who is told what then.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "test/proxy/http2_client.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {
namespace {

using http::Header;
using http::Http2Peer;
using http::Http2Session;

constexpr char kHalf[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";

bool HasTimedOut(const ProxyPair& pair, absl::string_view timeout) {
  const std::string series = absl::StrCat("kith_http_timeouts_total{timeout=\"", timeout, "\"}");
  return absl::StrContains(pair.ClientMetrics(), series) ||
         absl::StrContains(pair.ServerMetrics(), series);
}

ProxyPair::Options WithTimeouts(Timeouts timeouts) {
  ProxyPair::Options options;
  options.timeouts = timeouts;
  return options;
}

TEST(RequestTimeoutTest, AnswersARequestWhoseTimeIsOver) {
  Application silent(Answering(""));
  ProxyPair pair(silent.port(), WithTimeouts({.request = absl::Milliseconds(100)}));
  const std::string answer = pair.Get();
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 504 ")) << answer;
  EXPECT_TRUE(HasTimedOut(pair, "request"));
  EXPECT_TRUE(absl::StrContains(pair.ClientMetrics(), "response_flags=\"UT\"") ||
              absl::StrContains(pair.ServerMetrics(), "response_flags=\"UT\""));
}

TEST(RequestTimeoutTest, BreaksOffAResponseWhoseTimeIsOver) {
  Application slow(Answering(kHalf));
  ProxyPair pair(slow.port(), WithTimeouts({.request = absl::Milliseconds(100)}));
  EXPECT_TRUE(absl::EndsWith(pair.Get(), "half<reset>"));
  EXPECT_TRUE(HasTimedOut(pair, "request"));
}

TEST(RequestTimeoutTest, TriesAgainWhenOneTryHasTakenTooLong) {
  std::atomic<int> connections{0};
  Application application([&](Client& connection) {
    const bool silent = connections++ == 0;
    while (absl::StrContains(connection.ReadUntil("\r\n\r\n"), "\r\n\r\n")) {
      connection.Send(silent ? "" : kOk);
    }
  });
  ProxyPair pair(application.port(), WithTimeouts({.per_try = absl::Milliseconds(100)}));
  const std::string answer = pair.Get();
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 200 ")) << answer;
  EXPECT_TRUE(HasTimedOut(pair, "per_try"));
}

TEST(RequestTimeoutTest, AnswersWhenEveryTryHasTakenTooLong) {
  Application silent(Answering(""));
  ProxyPair pair(silent.port(), WithTimeouts({.per_try = absl::Milliseconds(50)}));
  EXPECT_TRUE(absl::StartsWith(pair.Get(), "HTTP/1.1 504 "));
}

TEST(RequestTimeoutTest, BreaksOffAResponseInWhichNothingMoves) {
  Application slow(Answering(kHalf));
  ProxyPair pair(slow.port(), WithTimeouts({.stream_idle = absl::Milliseconds(100)}));
  EXPECT_TRUE(absl::EndsWith(pair.Get(), "half<reset>"));
  EXPECT_TRUE(HasTimedOut(pair, "stream_idle"));
}

TEST(RequestTimeoutTest, LetsAnUpgradedConnectionLive) {
  Application echo([](Client& connection) {
    (void)connection.ReadUntil("\r\n\r\n");
    connection.Send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    for (std::string bytes = connection.ReadSome(); !bytes.empty(); bytes = connection.ReadSome()) {
      connection.Send(bytes);
    }
  });
  ProxyPair pair(echo.port(), WithTimeouts({.request = absl::Milliseconds(100),
                                            .per_try = absl::Milliseconds(100)}));
  Client client(pair.outbound_port());
  client.Send("GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 101 "));
  // Two requests end by their timeouts meanwhile.
  const std::string half = "GET / HTTP/1.1\r\n";
  client.Send(half);
  EXPECT_EQ(client.ReadSome(), half);
  for (int i = 0; i < 3; ++i) {
    Client waits(pair.outbound_port());
    waits.Send("GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
    (void)waits.ReadAll();
  }
  client.Send("more");
  EXPECT_EQ(client.ReadSome(), "more");
}

// An application that never answers, or answers with a response that does not end.
struct GrpcApplication {
  enum class Answers { kNothing, kHead };
  explicit GrpcApplication(Answers answers)
      : application([answers](Client& connection) {
          Http2Session::Options options;
          options.role = Http2Session::Role::kServer;
          Http2Peer peer(options);
          std::set<int32_t> answered;
          for (;;) {
            const std::string some = connection.ReadSome();
            if (some.empty() || some[0] == '<' || !peer.Receive(some).ok()) return;
            for (const auto& [id, notes] : peer.streams) {
              if (answers == Answers::kNothing || notes->closed) continue;
              if (!absl::StrContains(notes->text, "end;") || !answered.insert(id).second) continue;
              const Header fields[] = {{":status", "200"}, {"content-type", "application/grpc"}};
              peer.session.SubmitResponse(id, fields, Http2Session::Message::kGoesOn);
              peer.session.Write(id, http::Bytes("one"));
            }
            connection.Send(peer.Output());
          }
        }) {}
  Application application;
};

std::string CallGrpc(const ProxyPair& pair, absl::string_view timeout) {
  Http2Client client(pair.outbound_port());
  const Header fields[] = {{":method", "POST"},      {":scheme", "http"},
                           {":authority", "server"}, {":path", "/pkg.Service/Call"},
                           {"te", "trailers"},       {"content-type", "application/grpc"},
                           {"grpc-timeout", timeout}};
  const int32_t id = client.peer.Request(fields, Http2Session::Message::kGoesOn);
  client.peer.session.Write(id, http::Bytes("message"));
  client.peer.session.End(id, {});
  client.Wait(id);
  return client.peer.Notes(id).text + client.peer.Notes(id).body;
}

TEST(RequestTimeoutTest, TellsAGrpcClientThatItsDeadlineHasPassed) {
  GrpcApplication application(GrpcApplication::Answers::kNothing);
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kHttp2;
  ProxyPair pair(application.application.port(), options);
  const auto began = std::chrono::steady_clock::now();
  const std::string answer = CallGrpc(pair, "200m");
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_TRUE(absl::StartsWith(answer, "200 complete;")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "grpc-status=4;")) << answer;
  EXPECT_GE(took, std::chrono::milliseconds(150));
  EXPECT_LT(took, std::chrono::milliseconds(1000)) << "not only at the next look";
  EXPECT_TRUE(HasTimedOut(pair, "request"));
}

TEST(RequestTimeoutTest, EndsAGrpcResponseWithTheStatusOfItsDeadline) {
  GrpcApplication application(GrpcApplication::Answers::kHead);
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kHttp2;
  ProxyPair pair(application.application.port(), options);
  const std::string answer = CallGrpc(pair, "200m");
  EXPECT_TRUE(absl::StartsWith(answer, "200;content-type=application/grpc;")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "grpc-status=4;")) << answer;
  EXPECT_TRUE(absl::EndsWith(answer, "one")) << answer;
}

}  // namespace
}  // namespace kith::proxy
