#include "source/https/https_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpsServerTest : public testing::Test {
 protected:
  void Start(absl::Duration timeout = absl::Seconds(10)) {
    roots_ = directory_.Write("roots.pem", ca_.root_pem());
    auto server = https::HttpsServer::Create(
        {.address = *base::SocketAddress::Parse("127.0.0.1:0"),
         .tls = Tls("webhook.example"),
         .threads = 2,
         .max_body_bytes = 1000,
         .timeout = timeout},
        [](const https::HttpsQuestion& question) {
          return https::HttpsAnswer{
              .body = absl::StrCat(question.method, " ", question.path, " ", question.body)};
        });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::shared_ptr<const https::ServerTls> Tls(const std::string& name) {
    const test::Credential made = ca_.Leaf({.dns_sans = {name}});
    auto tls = https::ServerTls::Create(made.chain_pem, made.key_pem);
    EXPECT_TRUE(tls.ok()) << tls.status();
    return *tls;
  }
  std::unique_ptr<https::TlsSocket> Connected(absl::Duration timeout = absl::Seconds(10)) {
    const base::SocketAddress& address = server_->local();
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, address.get(), address.length()), 0);
    EXPECT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return std::make_unique<https::TlsSocket>(fd, absl::Now() + timeout);
  }
  // All that comes until the server closes.
  std::string Ask(const std::string& name, const std::string& text) {
    const auto socket = Connected();
    absl::Status status =
        socket->Connect({.host = name, .ca_file = roots_, .hint = "is it the right name?"});
    if (status.ok()) status = socket->Send(text);
    if (!status.ok()) return std::string(status.message());
    std::string all;
    uint8_t buffer[4096];
    while (true) {
      const auto size = socket->Receive(absl::MakeSpan(buffer));
      if (!size.ok() || *size == 0) return all;
      all.append(reinterpret_cast<const char*>(buffer), *size);
    }
  }

  test::TemporaryCa ca_;
  test::TemporaryDirectory directory_;
  std::string roots_;
  std::unique_ptr<https::HttpsServer> server_;
};

TEST_F(HttpsServerTest, AnswersOneRequestOnAConnection) {
  Start();
  const std::string answer =
      Ask("webhook.example",
          "POST /inject?timeout=10s HTTP/1.1\r\nHost: w\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nPOST /inject hello"));
}

TEST_F(HttpsServerTest, ProvesItsName) {
  Start();
  EXPECT_THAT(Ask("other.example", "GET / HTTP/1.1\r\nHost: w\r\n\r\n"),
              HasSubstr("is it the right name?"));
}

TEST_F(HttpsServerTest, TakesANewCertificateForNewConnections) {
  Start();
  server_->SetTls(Tls("renewed.example"));
  EXPECT_THAT(Ask("renewed.example", "GET / HTTP/1.1\r\nHost: w\r\n\r\n"), HasSubstr("200 OK"));
}

TEST_F(HttpsServerTest, RefusesLargeBodiesAndNonsense) {
  Start();
  EXPECT_THAT(Ask("webhook.example", "POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 1001\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(Ask("webhook.example", "nonsense\r\n\r\n"), "");
}

TEST_F(HttpsServerTest, LetsGoOfSilentClients) {
  Start(absl::Milliseconds(100));
  const auto silent = Connected();
  uint8_t byte[1];
  // Without TLS on this side: the end of the connection is what is waited for.
  const auto size = silent->Receive(absl::MakeSpan(byte));
  EXPECT_TRUE(!size.ok() || *size == 0);
  EXPECT_FALSE(absl::IsDeadlineExceeded(size.status()));
}

TEST_F(HttpsServerTest, RefusesAKeyOfAnotherCertificate) {
  const test::Credential one = ca_.Leaf({.dns_sans = {"a"}});
  const test::Credential other = ca_.Leaf({.dns_sans = {"a"}});
  EXPECT_FALSE(https::ServerTls::Create(one.chain_pem, other.key_pem).ok());
  EXPECT_FALSE(https::ServerTls::Create("", one.key_pem).ok());
}

}  // namespace
}  // namespace kith::controlplane
