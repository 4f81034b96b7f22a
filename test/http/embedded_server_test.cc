#include "source/http/embedded_server.h"

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "source/http/blocking_client.h"
#include "test/http/raw_client.h"
#include "test/support/temporary_directory.h"

namespace kith::http {
namespace {

// A server on a loop of its own thread, so that tests may block.
class Fixture {
 public:
  explicit Fixture(EmbeddedServer::Handler handler = Echo, EmbeddedServer::Options options = {})
      : loop_(event::Loop::Create().value()) {
    if (options.address.family() == AF_UNSPEC) {
      options.address = base::SocketAddress::Parse("127.0.0.1:0").value();
    }
    auto server = EmbeddedServer::Create(*loop_, options, std::move(handler));
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    address_ = server_->local();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  ~Fixture() { Stop(); }

  // Afterwards nothing runs; what the handler kept may still be used.
  void Stop() {
    if (!thread_.joinable()) return;
    loop_->Stop();
    thread_.join();
    server_.reset();
  }

  absl::StatusOr<BlockingResponse> Ask(absl::string_view method, absl::string_view path,
                                       absl::string_view body = "") {
    BlockingRequestOptions options;
    options.address = address_;
    options.method = std::string(method);
    options.path = std::string(path);
    options.body = std::string(body);
    return BlockingRequest(options);
  }

  const base::SocketAddress& address() const { return address_; }
  event::Loop& loop() { return *loop_; }

  // Says what it was asked.
  static void Echo(const EmbeddedRequest& request, EmbeddedResponder responder) {
    EmbeddedResponse response;
    response.body = absl::StrCat(request.method, " ", request.path, "\n");
    for (const auto& [name, value] : request.query) {
      absl::StrAppend(&response.body, name, "=", value, "\n");
    }
    response.body += request.body;
    if (request.path == "/missing") response = ErrorResponse(404, "no such page");
    responder.Send(std::move(response));
  }

 private:
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<EmbeddedServer> server_;
  base::SocketAddress address_;
  std::thread thread_;
};

int Count(absl::string_view text, absl::string_view what) {
  int count = 0;
  for (size_t at = text.find(what); at != absl::string_view::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST(EmbeddedServerTest, AnswersARequest) {
  Fixture fixture;
  const auto answer = fixture.Ask("GET", "/a/../b?x=%41+b&y&z=1%2f2");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(answer->body, "GET /b\nx=A b\ny=\nz=1/2\n");
}

TEST(EmbeddedServerTest, GivesTheHandlerHeadersAndBody) {
  Fixture fixture([](const EmbeddedRequest& request, EmbeddedResponder responder) {
    EmbeddedResponse response;
    response.status = 201;
    response.headers = {{"X-Kept", "yes"}, {"X-Split", "a\r\nb"}};
    response.body = absl::StrCat(request.FindHeader("CONTENT-TYPE"), "|", request.Query("q"), "|",
                                 request.body);
    responder.Send(std::move(response));
  });
  const auto answer = fixture.Ask("POST", "/x?p=0&q=1&q=2", "{}");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, "application/json|1|{}");

  RawClient client(fixture.address());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string text = client.ReceiveAll();
  EXPECT_TRUE(absl::StrContains(text, "X-Kept: yes\r\n")) << text;
  EXPECT_FALSE(absl::StrContains(text, "X-Split")) << text;
}

TEST(EmbeddedServerTest, AnswersErrorsAsJson) {
  Fixture fixture;
  const auto answer = fixture.Ask("GET", "/missing");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->content_type, "application/json");
  EXPECT_EQ(answer->body, "{\"error\":\"no such page\"}\n");
}

TEST(EmbeddedServerTest, KeepsTheConnectionAndAnswersPipelinedRequestsInOrder) {
  Fixture fixture;
  RawClient client(fixture.address());
  client.Send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(client.ReceiveUntil("GET /1\n"), "Connection: keep-alive\r\n"));
  client.Send(
      "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      "GET /5 HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string rest = client.ReceiveAll();
  EXPECT_EQ(Count(rest, "HTTP/1.1 200 OK\r\n"), 3) << rest;
  EXPECT_LT(rest.find("GET /2\n"), rest.find("POST /3\nabc"));
  EXPECT_LT(rest.find("POST /3\nabc"), rest.find("GET /4\n"));
  EXPECT_FALSE(absl::StrContains(rest, "/5"));
}

TEST(EmbeddedServerTest, SendsNoBodyToHead) {
  Fixture fixture;
  RawClient client(fixture.address());
  client.Send("HEAD /h HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string text = client.ReceiveAll();
  EXPECT_TRUE(absl::StrContains(text, "Content-Length: 8\r\n")) << text;
  EXPECT_TRUE(absl::EndsWith(text, "\r\n\r\n")) << text;
}

TEST(EmbeddedServerTest, AnswersLaterAndInOrder) {
  event::Loop* loop = nullptr;
  Fixture fixture([&loop](const EmbeddedRequest& request, EmbeddedResponder responder) {
    loop->Post([path = request.path, responder = std::move(responder)]() mutable {
      EXPECT_TRUE(responder.wanted());
      EmbeddedResponse response;
      response.body = absl::StrCat("later ", path, "\n");
      responder.Send(std::move(response));
      EXPECT_FALSE(responder.wanted());
    });
  });
  loop = &fixture.loop();
  RawClient client(fixture.address());
  client.Send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  client.EndSending();
  const std::string text = client.ReceiveAll();
  EXPECT_EQ(Count(text, "HTTP/1.1 200 OK\r\n"), 2) << text;
  EXPECT_LT(text.find("later /1\n"), text.find("later /2\n"));
}

TEST(EmbeddedServerTest, AnswersAClientThatEndedItsSideAndThenCloses) {
  std::vector<EmbeddedResponder> kept;
  Fixture fixture([&kept](const EmbeddedRequest& request, EmbeddedResponder responder) {
    if (request.path == "/keep") return kept.push_back(std::move(responder));
    if (request.path == "/release") kept.clear();  // Answers 500.
    Fixture::Echo(request, std::move(responder));
  });
  RawClient client(fixture.address());
  client.Send("GET /keep HTTP/1.1\r\nHost: a\r\n\r\n");
  client.EndSending();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(fixture.Ask("GET", "/").ok());  // The end is read by now.
  ASSERT_TRUE(fixture.Ask("GET", "/release").ok());
  EXPECT_TRUE(absl::StartsWith(client.ReceiveAll(), "HTTP/1.1 500 "));
}

TEST(EmbeddedServerTest, AnswersARequestNobodyAnswered) {
  Fixture fixture([](const EmbeddedRequest&, EmbeddedResponder) {});
  const auto answer = fixture.Ask("GET", "/");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 500);
}

TEST(EmbeddedServerTest, LetsAResponderOutliveItAndItsConnection) {
  std::vector<EmbeddedResponder> kept;
  Fixture fixture([&kept](const EmbeddedRequest& request, EmbeddedResponder responder) {
    if (request.path == "/keep") {
      kept.push_back(std::move(responder));
    } else {
      Fixture::Echo(request, std::move(responder));
    }
  });
  RawClient client(fixture.address());
  client.Send("GET /keep HTTP/1.1\r\nHost: a\r\n\r\n");
  // Connections are accepted in order, so once the second is answered the first has been read.
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(fixture.Ask("GET", "/").ok());
  fixture.Stop();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_FALSE(kept[0].wanted());
  kept[0].Send(EmbeddedResponse());
}

TEST(EmbeddedServerTest, RefusesGarbageWithJsonAndGoesOn) {
  Fixture fixture;
  const struct {
    std::string bytes;
    std::string status;
  } table[] = {
      {"\x16\x03\x01\x02\x00\x01", "400"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "400"},
      {"get / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
      {"GET / HTTP/2.0\r\n\r\n", "505"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
      {"GET /" + std::string(40000, 'x'), "414"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(40000, 'x'), "431"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", "413"},
      {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405"},
      {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET /?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
  };
  for (const auto& row : table) {
    RawClient client(fixture.address());
    client.Send(row.bytes);
    const std::string text = client.ReceiveAll();
    EXPECT_TRUE(absl::StartsWith(text, absl::StrCat("HTTP/1.1 ", row.status, " ")))
        << row.bytes.substr(0, 60) << " got " << text;
    EXPECT_TRUE(absl::StrContains(text, "{\"error\":\"")) << text;
    EXPECT_TRUE(absl::StrContains(text, "Connection: close\r\n")) << text;
  }
  EXPECT_TRUE(fixture.Ask("GET", "/").ok());
}

TEST(EmbeddedServerTest, BoundsAChunkedBody) {
  EmbeddedServer::Options options;
  options.max_body_bytes = 10;
  Fixture fixture(Fixture::Echo, options);
  EXPECT_EQ(fixture.Ask("POST", "/", "0123456789")->status, 200);
  RawClient client(fixture.address());
  client.Send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "6\r\n012345\r\n6\r\n678901\r\n0\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(client.ReceiveAll(), "HTTP/1.1 413 "));
}

TEST(EmbeddedServerTest, InvitesABodyThatWaitsForIt) {
  Fixture fixture;
  RawClient client(fixture.address());
  client.Send(
      "POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_EQ(client.ReceiveUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("hi");
  EXPECT_TRUE(absl::EndsWith(client.ReceiveAll(), "POST /e\nhi"));
}

TEST(EmbeddedServerTest, ClosesIdleConnectionsAndAnswersSlowRequestsWith408) {
  EmbeddedServer::Options options;
  options.idle_timeout = absl::Milliseconds(30);
  Fixture fixture(Fixture::Echo, options);
  RawClient silent(fixture.address()), slow(fixture.address());
  slow.Send("GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(silent.ReceiveAll(), "");
  EXPECT_TRUE(absl::StartsWith(slow.ReceiveAll(), "HTTP/1.1 408 "));
}

TEST(EmbeddedServerTest, RefusesConnectionsAboveItsLimit) {
  EmbeddedServer::Options options;
  options.max_connections = 2;
  Fixture fixture(Fixture::Echo, options);
  RawClient a(fixture.address()), b(fixture.address()), c(fixture.address());
  EXPECT_TRUE(absl::StartsWith(c.ReceiveAll(), "HTTP/1.1 503 "));
  a.Send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(a.ReceiveAll(), "GET /a\n"));
  // The place it had is free again.
  EXPECT_EQ(fixture.Ask("GET", "/")->status, 200);
}

TEST(EmbeddedServerTest, HoldsBackAnswersThatAClientDoesNotRead) {
  std::atomic<int> handled = 0;
  Fixture fixture([&handled](const EmbeddedRequest&, EmbeddedResponder responder) {
    ++handled;
    EmbeddedResponse response;
    response.body = std::string(512 * 1024, 'x');
    responder.Send(std::move(response));
  });
  RawClient client(fixture.address());
  constexpr int kRequests = 100;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  client.Send(requests);
  client.EndSending();
  ASSERT_TRUE(fixture.Ask("GET", "/").ok());  // By now the loop has turned.
  EXPECT_LT(handled.load(), kRequests / 2);
  const std::string all = client.ReceiveAll();
  EXPECT_EQ(Count(all, "HTTP/1.1 200 OK\r\n"), kRequests);
}

TEST(EmbeddedServerTest, ServesAUnixSocketOfItsOwnMode) {
  const test::TemporaryDirectory directory;
  const std::string path = absl::StrCat(directory.path(), "/admin.sock");
  EmbeddedServer::Options options;
  options.address = base::SocketAddress::Parse(absl::StrCat("unix:", path)).value();
  Fixture fixture(Fixture::Echo, options);
  const auto answer = fixture.Ask("GET", "/over/unix");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->body, "GET /over/unix\n");
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(EmbeddedServerTest, SaysWhatItCouldNotBind) {
  Fixture fixture;
  auto loop = event::Loop::Create().value();
  EmbeddedServer::Options options;
  options.address = fixture.address();
  const auto server = EmbeddedServer::Create(*loop, options, Fixture::Echo);
  ASSERT_FALSE(server.ok());
  EXPECT_TRUE(absl::StrContains(server.status().message(), fixture.address().ToString()))
      << server.status();
}

}  // namespace
}  // namespace kith::http
