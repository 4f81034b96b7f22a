#include "source/http/blocking_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "test/support/temporary_directory.h"

namespace kith::http {
namespace {

// Accepts one connection, reads until the end of a head, answers with fixed bytes and closes.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const base::SocketAddress any = base::SocketAddress::Parse("127.0.0.1:0").value();
    EXPECT_EQ(bind(fd_, any.get(), any.length()), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    sockaddr_storage storage = {};
    socklen_t size = sizeof(storage);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size), 0);
    address_ = base::SocketAddress::From(reinterpret_cast<sockaddr*>(&storage));
    thread_ = std::thread([this, text = std::move(answer)] { Serve(text); });
  }
  ~OneAnswer() {
    thread_.join();
    close(fd_);
  }

  BlockingRequestOptions Options() const {
    BlockingRequestOptions options;
    options.address = address_;
    return options;
  }

 private:
  void Serve(const std::string& answer) {
    const int connection = accept(fd_, nullptr, nullptr);
    std::string received;
    char byte;
    while (!absl::EndsWith(received, "\r\n\r\n") && recv(connection, &byte, 1, 0) == 1) {
      received.push_back(byte);
    }
    EXPECT_EQ(send(connection, answer.data(), answer.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer.size()));
    close(connection);
  }

  int fd_;
  base::SocketAddress address_;
  std::thread thread_;
};

TEST(BlockingClientTest, ReadsEachKindOfAnswer) {
  const char* answers[] = {
      "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nContent-Type: no\r\n\r\n"
      "HTTP/1.0 200 OK\r\nContent-Type: text/x\r\n\r\nhello",
  };
  for (const char* answer : answers) {
    OneAnswer server(answer);
    const auto response = BlockingRequest(server.Options());
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->content_type, "text/x");
    EXPECT_EQ(response->body, "hello");
  }
}

TEST(BlockingClientTest, TakesNothingFromAnInterimResponse) {
  OneAnswer server(
      "HTTP/1.1 103 Early Hints\r\nContent-Type: early\r\n\r\n"
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  const auto response = BlockingRequest(server.Options());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->content_type, "");
}

TEST(BlockingClientTest, ExpectsNoBodyAfterHead) {
  OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  BlockingRequestOptions options = server.Options();
  options.method = "HEAD";
  const auto response = BlockingRequest(options);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "");
}

TEST(BlockingClientTest, SaysWhereAnAnswerIsNotHttpOrEndsEarly) {
  for (const char* answer : {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "SSH-2.0\r\n",
                             "HTTP/1.1 200 OK\n\n"}) {
    OneAnswer server(answer);
    const auto response = BlockingRequest(server.Options());
    ASSERT_FALSE(response.ok()) << answer;
    EXPECT_TRUE(absl::StrContains(response.status().message(),
                                  absl::StrCat("GET / from ", server.Options().address.ToString())))
        << response.status();
  }
}

TEST(BlockingClientTest, BoundsTheAnswer) {
  OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  BlockingRequestOptions options = server.Options();
  options.max_body_bytes = 4;
  EXPECT_EQ(BlockingRequest(options).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(BlockingClientTest, SaysWhatToCheckWhenNothingAnswers) {
  const test::TemporaryDirectory directory;
  BlockingRequestOptions options;
  options.hint = "is the control plane running?";
  const std::string where = absl::StrCat("unix:", directory.path(), "/none.sock");
  options.address = base::SocketAddress::Parse(where).value();
  const absl::Status missing = BlockingRequest(options).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(missing.message(),
            absl::StrCat("connect ", where,
                         ": no such file or directory; is the control plane running?"));

  // A port that was free a moment ago.
  base::SocketAddress refused;
  {
    OneAnswer server("");
    refused = server.Options().address;
    (void)BlockingRequest(server.Options());
  }
  options.address = refused;
  const absl::Status closed = BlockingRequest(options).status();
  EXPECT_EQ(closed.message(), absl::StrCat("connect ", refused.ToString(),
                                           ": connection refused; is the control plane running?"));
}

TEST(BlockingClientTest, GivesUpInTime) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const base::SocketAddress any = base::SocketAddress::Parse("127.0.0.1:0").value();
  ASSERT_EQ(bind(fd, any.get(), any.length()), 0);
  ASSERT_EQ(listen(fd, 1), 0);  // Never accepts: the request goes into the backlog.
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size), 0);
  BlockingRequestOptions options;
  options.address = base::SocketAddress::From(reinterpret_cast<sockaddr*>(&storage));
  options.timeout = absl::Milliseconds(50);
  EXPECT_EQ(BlockingRequest(options).status().code(), absl::StatusCode::kDeadlineExceeded);
  close(fd);
}

TEST(BlockingClientTest, RefusesToSendWhatIsNotHttp) {
  BlockingRequestOptions options;
  options.address = base::SocketAddress::Parse("127.0.0.1:1").value();
  options.path = "/a b";
  EXPECT_EQ(BlockingRequest(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.path = "/\r\nX: y";
  EXPECT_EQ(BlockingRequest(options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kith::http
