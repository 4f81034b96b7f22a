// kith-sidecar as its users meet it: the real program beside a control plane whose answers the test
// writes; its exit codes and messages, its sockets, how it leaves.
#include "test/support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/http/blocking_client.h"
#include "test/control/fake_control_plane.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::sidecar {
namespace {

using test::Program;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kBinary[] = "source/sidecar/kith-sidecar";
constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    control_plane_.sign = [this](const auto& request, auto& response) {
      test::CertificateOptions options;
      options.request_pem = request.csr();
      options.uri_sans = {kId};
      response.add_cert_chain(ca_.Leaf(options).chain_pem);
      response.add_cert_chain(ca_.root_pem());
      return grpc::Status::OK;
    };
    directory_.Write("roots.pem", ca_.root_pem());
    directory_.Write("token", "a.token");
  }

  void StartControlPlane() {
    const test::Credential server = ca_.Leaf({.dns_sans = {"kith-controlplane"}});
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({server.key_pem, server.chain_pem});
    control_plane_.Start(grpc::SslServerCredentials(options));
  }
  // Nothing of it may be asked before the control plane knows its port.
  void WriteConfig(const std::string& more = "", const std::string& metrics = "127.0.0.1:0") {
    directory_.Write(
        "sidecar.yaml",
        absl::StrCat("workload: {name: backend-1, namespace: demo, serviceAccount: backend}\n",
                     "controlPlane:\n  address: ", control_plane_.address(),
                     "\n  serverName: kith-controlplane\n  trustBundleFile: ",
                     directory_.File("roots.pem"), "\n  tokenFile: ", directory_.File("token"),
                     "\ninbound:\n- {bind: \"127.0.0.1:0\", application: \"127.0.0.1:1\", ",
                     "protocol: HTTP}\nadmin: {socket: ", directory_.File("admin.sock"),
                     "}\nobservability: {address: \"", metrics, "\"}\n", more));
  }
  std::unique_ptr<Program> Run(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {kBinary, "--config", directory_.File("sidecar.yaml")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<Program>(std::move(arguments));
  }
  // Started, its port for people known.
  std::unique_ptr<Program> Start() {
    auto program = Run();
    EXPECT_TRUE(program->Await("admin.sock\"}")) << program->output();
    for (const absl::string_view line : absl::StrSplit(program->output(), '\n')) {
      const auto json = nlohmann::json::parse(std::string(line), nullptr, false);
      if (json.is_object() && json.contains("monitoring")) monitoring_ = json["monitoring"];
    }
    return program;
  }
  void SendWorkloadConfig() {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (control_plane_.requests().empty() && absl::Now() < deadline) std::this_thread::yield();
    mesh::v1::WorkloadConfig config;
    config.set_trust_domain("cluster.local");
    config.set_root_namespace("istio-system");
    config.set_mtls_mode(security::v1::PeerAuthenticationSpec::MutualTLS::PERMISSIVE);
    control::FakeControlPlane::Response response;
    response.set_type_url("type.googleapis.com/kith.mesh.v1.WorkloadConfig");
    response.set_nonce("n");
    auto& resource = *response.add_resources();
    resource.set_name("self");
    resource.set_version("v1");
    resource.mutable_resource()->set_type_url(response.type_url());
    resource.mutable_resource()->set_value(config.SerializeAsString());
    control_plane_.Send(response);
  }
  std::unique_ptr<Program> StartReady() {
    StartControlPlane();
    WriteConfig();
    auto program = Start();
    SendWorkloadConfig();
    EXPECT_TRUE(program->Await("\"ready\"")) << program->output();
    return program;
  }

  http::BlockingResponse Ask(const std::string& address, const std::string& method,
                             const std::string& path) {
    http::BlockingRequestOptions options;
    options.address = *base::SocketAddress::Parse(address);
    options.method = method;
    options.path = path;
    const auto response = http::BlockingRequest(options);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(http::BlockingResponse{});
  }
  http::BlockingResponse Admin(const std::string& path, const std::string& method = "GET") {
    return Ask("unix:" + directory_.File("admin.sock"), method, path);
  }
  http::BlockingResponse Public(const std::string& path, const std::string& method = "GET") {
    return Ask(monitoring_, method, path);
  }
  // It ends soon, with that code and one line of that content.
  void ExpectRefusal(int code, const std::string& says) {
    const auto program = Run();
    EXPECT_EQ(program->Wait(), code) << program->output();
    EXPECT_THAT(program->output(), HasSubstr(says));
    int lines = 0;
    for (const absl::string_view line : absl::StrSplit(program->output(), '\n')) {
      lines += absl::StartsWith(line, "kith-sidecar: ") ? 1 : 0;
    }
    EXPECT_EQ(lines, 1) << program->output();
  }

  test::TemporaryDirectory directory_;
  test::TemporaryCa ca_;
  control::FakeControlPlane control_plane_;
  std::string monitoring_;
};

TEST_F(ProgramTest, ExplainsItself) {
  for (const char* argument : {"--help", "--version"}) {
    Program program({kBinary, argument});
    EXPECT_EQ(program.Wait(), 0);
    EXPECT_THAT(program.output(), HasSubstr("kith-sidecar"));
  }
  for (const char* argument : {"--conifg=x", "--check"}) {
    Program program({kBinary, argument});
    EXPECT_EQ(program.Wait(), 64) << program.output();
  }
}

TEST_F(ProgramTest, ChecksWithoutStarting) {
  StartControlPlane();
  WriteConfig();
  EXPECT_EQ(Run({"--check"})->Wait(), 0);
  WriteConfig("wokrers: 2\n");
  const auto program = Run({"--check"});
  EXPECT_EQ(program->Wait(), 65);
  EXPECT_THAT(program->output(), HasSubstr("wokrers"));
  EXPECT_EQ(control_plane_.streams(), 0);
}

TEST_F(ProgramTest, ReadsItsConfigurationFromTheEnvironment) {
  StartControlPlane();
  WriteConfig();
  setenv("KITH_TEST_CONFIG", directory_.Read("sidecar.yaml").c_str(), 1);
  EXPECT_EQ(Program({kBinary, "--config-env", "KITH_TEST_CONFIG", "--check"}).Wait(), 0);
  Program absent({kBinary, "--config-env", "KITH_TEST_ABSENT", "--check"});
  EXPECT_EQ(absent.Wait(), 65);
  EXPECT_THAT(absent.output(), HasSubstr("KITH_TEST_ABSENT"));
}

TEST_F(ProgramTest, RefusesBadConfigurationWithOneLine) {
  StartControlPlane();
  ExpectRefusal(65, "sidecar.yaml");
  WriteConfig("wokrers: 2\n");
  ExpectRefusal(65, "wokrers");
  WriteConfig();
  directory_.Write("roots.pem", "junk");
  ExpectRefusal(65, "roots.pem");
}

TEST_F(ProgramTest, SaysWhatCouldNotBeOpenedWithOneLine) {
  StartControlPlane();
  WriteConfig("", control_plane_.address());
  ExpectRefusal(1, absl::StrCat("listen on ", control_plane_.address()));
  WriteConfig();
  directory_.Write("sidecar.yaml",
                   absl::StrReplaceAll(directory_.Read("sidecar.yaml"),
                                       {{"127.0.0.1:0\", app",
                                         absl::StrCat(control_plane_.address(), "\", app")}}));
  ExpectRefusal(1, "address already in use");
  WriteConfig();
  directory_.Write("sidecar.yaml", absl::StrReplaceAll(directory_.Read("sidecar.yaml"),
                                                       {{"/admin.sock", "/absent/admin.sock"}}));
  ExpectRefusal(1, "absent/admin.sock");
  WriteConfig();
  directory_.Write(
      "sidecar.yaml",
      absl::StrReplaceAll(
          directory_.Read("sidecar.yaml"),
          {{"observability: {", absl::StrCat("observability: {accessLog: ",
                                             directory_.File("absent/access.log"), ", ")}}));
  ExpectRefusal(1, "absent/access.log");
}

TEST_F(ProgramTest, IsReadyWithACertificateAndItsConfiguration) {
  StartControlPlane();
  WriteConfig();
  const auto program = Start();
  ASSERT_TRUE(program->Await("certificate in use")) << program->output();
  const http::BlockingResponse early = Public("/healthz/ready");
  EXPECT_EQ(early.status, 503);
  EXPECT_THAT(early.body, HasSubstr("no configuration from the control plane yet"));
  EXPECT_THAT(early.body, Not(HasSubstr("no certificate")));
  EXPECT_EQ(Public("/healthz/live").status, 200);
  SendWorkloadConfig();
  ASSERT_TRUE(program->Await("\"ready\"")) << program->output();
  EXPECT_EQ(Public("/healthz/ready").status, 200);
  EXPECT_THAT(Public("/metrics").body, HasSubstr("kith_identity_generation 1\n"));
}

TEST_F(ProgramTest, RunsWithoutAControlPlaneAndSaysWhatIsMissing) {
  StartControlPlane();
  WriteConfig();
  control_plane_.Stop();
  const auto program = Start();
  ASSERT_TRUE(program->Await("no new certificate")) << program->output();
  const http::BlockingResponse early = Public("/healthz/ready");
  EXPECT_EQ(early.status, 503);
  EXPECT_THAT(early.body, HasSubstr("no certificate yet"));
  EXPECT_THAT(early.body, HasSubstr(control_plane_.address()));
}

TEST_F(ProgramTest, ShowsItselfOnItsAdminSocketOnly) {
  const auto program = StartReady();
  struct stat info;
  ASSERT_EQ(stat(directory_.File("admin.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  const auto status = nlohmann::json::parse(Admin("/v1/status").body);
  EXPECT_EQ(status["ready"], true);
  EXPECT_EQ(status["notReady"].size(), 0u);
  EXPECT_EQ(status["workload"]["spiffeId"], kId);
  EXPECT_EQ(status["controlPlane"]["connected"], true);
  EXPECT_EQ(status["config"]["version"], "v1");
  EXPECT_EQ(status["config"]["mtls"], "PERMISSIVE");
  EXPECT_EQ(status["listeners"]["inbound"][0]["application"], "127.0.0.1:1");
  EXPECT_EQ(status["connections"]["inbound"], 0);

  const auto certs = nlohmann::json::parse(Admin("/v1/certs").body);
  EXPECT_EQ(certs["spiffeId"], kId);
  EXPECT_EQ(certs["source"], "kith-ca");
  EXPECT_EQ(certs["generation"], 1);
  EXPECT_EQ(certs["chain"].size(), 1u);
  EXPECT_EQ(certs["roots"].size(), 1u);
  EXPECT_EQ(certs["lastAttempt"]["result"], "ok");
  EXPECT_EQ(certs, status["identity"]);

  EXPECT_EQ(Admin("/v1/status", "POST").status, 405);
  EXPECT_EQ(Admin("/v1/rotate").status, 405);
  EXPECT_EQ(Admin("/nowhere").status, 404);
  EXPECT_EQ(Public("/v1/status").status, 404);
  EXPECT_EQ(Public("/v1/rotate", "POST").status, 405);
}

TEST_F(ProgramTest, RotatesWhenTold) {
  const auto program = StartReady();
  const auto before = nlohmann::json::parse(Admin("/v1/certs").body);
  EXPECT_EQ(Admin("/v1/rotate", "POST").status, 202);
  ASSERT_TRUE(program->Await("\"generation\":\"2\"")) << program->output();
  const auto after = nlohmann::json::parse(Admin("/v1/certs").body);
  EXPECT_EQ(after["rotations"], 1);
  EXPECT_NE(after["chain"][0]["serial"], before["chain"][0]["serial"]);
  EXPECT_THAT(Public("/metrics").body,
              Not(HasSubstr(before["chain"][0]["serial"].get<std::string>())));
  EXPECT_THAT(program->output(), Not(HasSubstr("PRIVATE")));
  EXPECT_THAT(program->output(), Not(HasSubstr("a.token")));
}

TEST_F(ProgramTest, LeavesInGoodOrder) {
  const auto program = StartReady();
  program->Signal(SIGTERM);
  EXPECT_EQ(program->Wait(), 0) << program->output();
  EXPECT_EQ(control_plane_.half_closed(), 1) << "it said good-bye";
  EXPECT_NE(access(directory_.File("admin.sock").c_str(), F_OK), 0) << "the socket is gone";
}

TEST_F(ProgramTest, LeavesWhileTheControlPlaneIsAway) {
  const auto program = StartReady();
  control_plane_.Stop();
  ASSERT_TRUE(program->Await("not connected")) << program->output();
  program->Signal(SIGINT);
  EXPECT_EQ(program->Wait(), 0) << program->output();
}

TEST_F(ProgramTest, StopsAtOnceAtASecondSignal) {
  StartControlPlane();
  WriteConfig("timeouts: {drain: 1h}\n");
  const auto program = Start();
  SendWorkloadConfig();
  ASSERT_TRUE(program->Await("\"ready\"")) << program->output();
  program->Signal(SIGTERM);
  ASSERT_TRUE(program->Await("stopping")) << program->output();
  program->Signal(SIGTERM);
  EXPECT_EQ(program->Wait(), 0) << program->output();
}

}  // namespace
}  // namespace kith::sidecar
