#include "source/control/certificate_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "test/control/fake_control_plane.h"
#include "test/support/run_until.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::control {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPem[] = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";

class CertificateClientTest : public ::testing::Test {
 protected:
  CertificateClientTest() {
    directory_.Write("token", "first.token\n");
    server_.sign = [](const auto&, auto& response) {
      response.add_cert_chain(absl::StrCat("leaf ", kPem));
      response.add_cert_chain(absl::StrCat("issuer ", kPem));
      response.add_cert_chain(absl::StrCat("root ", kPem));
      return grpc::Status::OK;
    };
  }

  void Connect(Channel::Options options) {
    options.address = server_.address();
    channel_ = std::make_unique<Channel>(std::move(options));
    client_ = std::make_unique<CertificateClient>(
        *loop_, *channel_,
        CertificateClient::Options{.token_file = directory_.File("token"),
                                   .deadline = deadline_,
                                   .given_tokens = given_tokens_});
  }
  void ConnectPlaintext() {
    Channel::Options options;
    options.server_name = "localhost";
    options.security = Channel::Security::kPlaintext;
    Connect(std::move(options));
  }
  absl::StatusOr<identity::SigningReply> Sign() {
    absl::optional<absl::StatusOr<identity::SigningReply>> result;
    client_->Sign({"the csr", absl::Minutes(10)},
                  [&](absl::StatusOr<identity::SigningReply> reply) { result = std::move(reply); });
    EXPECT_FALSE(result.has_value()) << "called before Sign() returned";
    EXPECT_TRUE(test::RunUntil(*loop_, [&] { return result.has_value(); }));
    return *result;
  }
  std::string Error() {
    const auto reply = Sign();
    EXPECT_FALSE(reply.ok());
    return std::string(reply.status().message());
  }

  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  test::TemporaryDirectory directory_;
  FakeControlPlane server_;
  absl::Duration deadline_ = absl::Seconds(20);
  CertificateClient::GivenTokens given_tokens_ = CertificateClient::GivenTokens::kKept;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<CertificateClient> client_;
};

TEST_F(CertificateClientTest, SendsTheRequestWithItsToken) {
  server_.Start();
  ConnectPlaintext();
  const auto reply = Sign();
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_THAT(reply->chain_pem, AllOf(HasSubstr("leaf "), HasSubstr("issuer ")));
  EXPECT_THAT(reply->chain_pem, ::testing::Not(HasSubstr("root ")));
  EXPECT_THAT(reply->roots_pem, HasSubstr("root "));
  ASSERT_EQ(server_.signing_requests().size(), 1u);
  EXPECT_EQ(server_.signing_requests()[0].csr(), "the csr");
  EXPECT_EQ(server_.signing_requests()[0].validity_duration(), 600);
}

TEST_F(CertificateClientTest, ReadsTheTokenAfreshForEveryRequest) {
  server_.Start();
  ConnectPlaintext();
  ASSERT_TRUE(Sign().ok());
  directory_.Write("token", "second.token");
  ASSERT_TRUE(Sign().ok());
  EXPECT_THAT(server_.authorizations(), ElementsAre("Bearer first.token", "Bearer second.token"));
}

TEST_F(CertificateClientTest, KeepsTheTokenThatComesWithTheCertificate) {
  directory_.Write("token", "kith-join.abc");
  server_.given_token = "a.bearer.token";
  server_.Start();
  ConnectPlaintext();
  ASSERT_TRUE(Sign().ok());
  EXPECT_EQ(directory_.Read("token"), "a.bearer.token\n");
  ASSERT_TRUE(Sign().ok());
  EXPECT_THAT(server_.authorizations(),
              ElementsAre("Bearer kith-join.abc", "Bearer a.bearer.token"));
}

TEST_F(CertificateClientTest, TakesNoTokenFromAnotherAuthorityAndSpendsNoneThere) {
  given_tokens_ = CertificateClient::GivenTokens::kIgnored;
  server_.given_token = "a.bearer.token";
  server_.Start();
  ConnectPlaintext();
  ASSERT_TRUE(Sign().ok());
  EXPECT_EQ(directory_.Read("token"), "first.token\n");
  directory_.Write("token", "kith-join.abc");
  EXPECT_THAT(Error(), HasSubstr("join token"));
  EXPECT_THAT(server_.authorizations(), ElementsAre("Bearer first.token"));
}

TEST_F(CertificateClientTest, NamesATokenFileThatIsMissingAndSendsNothing) {
  server_.Start();
  ConnectPlaintext();
  ASSERT_EQ(unlink(directory_.File("token").c_str()), 0);
  EXPECT_THAT(Error(), HasSubstr(directory_.File("token")));
  EXPECT_THAT(server_.authorizations(), ElementsAre());
}

TEST_F(CertificateClientTest, SaysWhereNobodyListens) {
  server_.Start();
  server_.Stop();
  ConnectPlaintext();
  EXPECT_THAT(Error(), AllOf(HasSubstr(server_.address()), HasSubstr("is the control plane")));
}

TEST_F(CertificateClientTest, PassesOnWhyItWasRefused) {
  server_.sign = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "the token has expired");
  };
  server_.Start();
  ConnectPlaintext();
  const auto reply = Sign();
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(reply.status().message()),
              AllOf(HasSubstr("the token has expired"), HasSubstr("tokenFile")));
}

TEST_F(CertificateClientTest, GivesUpAtItsDeadline) {
  deadline_ = absl::Milliseconds(100);
  std::atomic<bool> release = false;
  server_.sign = [&](const auto&, auto&) {
    release.wait(false);
    return grpc::Status::OK;
  };
  server_.Start();
  ConnectPlaintext();
  EXPECT_EQ(Sign().status().code(), absl::StatusCode::kDeadlineExceeded);
  release = true;
  release.notify_all();
  server_.Stop();
}

TEST_F(CertificateClientTest, EndsWithARequestOnItsWay) {
  std::atomic<bool> release = false;
  server_.sign = [&](const auto&, auto&) {
    release.wait(false);
    return grpc::Status::OK;
  };
  server_.Start();
  ConnectPlaintext();
  bool called = false;
  client_->Sign({"csr", absl::Hours(1)}, [&](const auto&) { called = true; });
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return !server_.signing_requests().empty(); }));
  client_.reset();
  channel_.reset();
  release = true;
  release.notify_all();
  server_.Stop();
  for (int i = 0; i < 3; ++i) loop_->RunOnce();
  EXPECT_FALSE(called);
}

TEST_F(CertificateClientTest, RefusesAReplyWithoutRoots) {
  server_.sign = [](const auto&, auto& response) {
    response.add_cert_chain(kPem);
    return grpc::Status::OK;
  };
  server_.Start();
  ConnectPlaintext();
  EXPECT_EQ(Sign().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(CertificateClientTest, RefusesAReplyThatIsNotPem) {
  server_.sign = [](const auto&, auto& response) {
    response.add_cert_chain(kPem);
    response.add_cert_chain("junk");
    return grpc::Status::OK;
  };
  server_.Start();
  ConnectPlaintext();
  EXPECT_EQ(Sign().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(CertificateClientTest, RefusesAReplyOfTooManyParts) {
  server_.sign = [](const auto&, auto& response) {
    for (int i = 0; i < 100; ++i) response.add_cert_chain(kPem);
    return grpc::Status::OK;
  };
  server_.Start();
  ConnectPlaintext();
  EXPECT_THAT(Error(), HasSubstr("more than 12 parts"));
}

TEST_F(CertificateClientTest, RefusesAHugeReplyBeforeReadingIt) {
  server_.sign = [](const auto&, auto& response) {
    response.add_cert_chain(kPem);
    response.add_cert_chain(kPem + std::string(3 * 1024 * 1024, 'x'));
    return grpc::Status::OK;
  };
  server_.Start();
  ConnectPlaintext();
  EXPECT_EQ(Sign().status().code(), absl::StatusCode::kResourceExhausted);
}

class TlsCertificateClientTest : public CertificateClientTest {
 protected:
  TlsCertificateClientTest() {
    const test::Credential server = ca_.Leaf({.dns_sans = {"kith-controlplane"}});
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({server.key_pem, server.chain_pem});
    server_.Start(grpc::SslServerCredentials(options));
  }
  void ConnectTls(const std::string& server_name, const std::string& roots,
                  std::function<std::string()> more = nullptr) {
    Channel::Options options;
    options.server_name = server_name;
    options.roots_pem = roots;
    options.more_roots = std::move(more);
    Connect(std::move(options));
  }
  test::TemporaryCa ca_;
  test::TemporaryCa foreign_ca_;
};

TEST_F(TlsCertificateClientTest, TrustsTheConfiguredNameUnderTheBootstrapsRoots) {
  ConnectTls("kith-controlplane", ca_.root_pem());
  const auto reply = Sign();
  EXPECT_TRUE(reply.ok()) << reply.status();
}

TEST_F(TlsCertificateClientTest, RefusesAServerOfAnotherName) {
  ConnectTls("other-name", ca_.root_pem());
  EXPECT_THAT(Error(), HasSubstr("controlPlane.serverName"));
  EXPECT_THAT(server_.authorizations(), ElementsAre()) << "the token was sent";
}

TEST_F(TlsCertificateClientTest, RefusesAServerOfAForeignRoot) {
  ConnectTls("kith-controlplane", foreign_ca_.root_pem());
  Error();
  EXPECT_THAT(server_.authorizations(), ElementsAre()) << "the token was sent";
}

TEST_F(TlsCertificateClientTest, TrustsTheRootsOfThePresentBundleAsSoonAsTheyCome) {
  std::string bundle = foreign_ca_.root_pem();
  ConnectTls("kith-controlplane", foreign_ca_.root_pem(), [&] { return bundle; });
  EXPECT_FALSE(Sign().ok());
  bundle = ca_.root_pem();
  const auto reply = Sign();
  EXPECT_TRUE(reply.ok()) << reply.status();
}

TEST_F(TlsCertificateClientTest, TakesNoProxyFromTheEnvironment) {
  setenv("https_proxy", "http://127.0.0.1:1", 1);
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("grpc_proxy", "http://127.0.0.1:1", 1);
  ConnectTls("kith-controlplane", ca_.root_pem());
  EXPECT_TRUE(Sign().ok());
  for (const char* name : {"https_proxy", "http_proxy", "grpc_proxy"}) unsetenv(name);
}

}  // namespace
}  // namespace kith::control
