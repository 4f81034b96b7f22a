// kith-controlplane as its users meet it: the real program, its exit codes and messages, its
// sockets, and one sidecar's conversation with it over TLS.
#include "test/support/program.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/service/discovery/v3/discovery.grpc.pb.h"
#include "source/controlplane/distribution/resource.h"
#include "source/http/blocking_client.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

using test::Program;

using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

constexpr char kBinary[] = "source/controlplane/kith-controlplane";
constexpr char kService[] = R"(
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: demo}
spec: {selector: {app: backend}, ports: [{name: http, port: 80}]}
)";

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() {
    directory_.Write("mesh/a.yaml", kService);
    WriteConfig("");
  }

  void WriteConfig(const std::string& more, const std::string& address = "127.0.0.1:0") {
    directory_.Write("config.yaml", absl::StrCat("stateDirectory: ", directory_.File("state"),
                                                 "\naddress: ", address,
                                                 "\nmonitoringAddress: 127.0.0.1:0\nregistry: "
                                                 "{directory: ",
                                                 directory_.File("mesh"), "}\n", more));
  }
  std::unique_ptr<Program> Start(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {kBinary, "--config", directory_.File("config.yaml")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<Program>(std::move(arguments));
  }
  // Starts, and knows the addresses when this returns.
  std::unique_ptr<Program> StartReady() {
    auto program = Start();
    EXPECT_TRUE(program->Await("\"ready\"") && program->Await("admin.sock")) << program->output();
    for (const absl::string_view line : absl::StrSplit(program->output(), '\n')) {
      const auto json = nlohmann::json::parse(std::string(line), nullptr, false);
      if (json.is_object() && json.value("message", "") == "ready") ready_ = json;
    }
    return program;
  }
  // Runs to its end, which is soon: what it prints is one line that holds `says`.
  void ExpectRefusal(int code, const std::string& says) {
    const auto program = Start();
    EXPECT_EQ(program->Wait(), code) << program->output();
    EXPECT_NE(program->output().find(says), std::string::npos) << program->output();
    int lines = 0;
    for (const absl::string_view line : absl::StrSplit(program->output(), '\n')) {
      lines += absl::StartsWith(line, "kith-controlplane: ") ? 1 : 0;
    }
    EXPECT_EQ(lines, 1) << program->output();
  }

  http::BlockingResponse Ask(const std::string& address, const std::string& path,
                             const std::string& body = "") {
    const auto response = http::BlockingRequest({.address = *base::SocketAddress::Parse(address),
                                                 .method = body.empty() ? "GET" : "POST",
                                                 .path = path,
                                                 .body = body});
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(http::BlockingResponse{});
  }
  http::BlockingResponse AskAdmin(const std::string& path, const std::string& body = "") {
    return Ask("unix:" + directory_.File("state/admin.sock"), path, body);
  }
  nlohmann::json Status() { return nlohmann::json::parse(AskAdmin("/v1/status").body); }

  test::TemporaryDirectory directory_;
  nlohmann::json ready_;
};

TEST_F(ProgramTest, ExplainsItself) {
  for (const char* argument : {"--help", "--version"}) {
    Program program({kBinary, argument});
    EXPECT_EQ(program.Wait(), 0);
    EXPECT_NE(program.output().find("kith-controlplane"), std::string::npos);
  }
  Program program({kBinary, "--conifg", "x"});
  EXPECT_EQ(program.Wait(), 64);
}

TEST_F(ProgramTest, ChecksWithoutStarting) {
  auto program = Start({"--check"});
  EXPECT_EQ(program->Wait(), 0) << program->output();
  EXPECT_NE(program->output().find("Service: 1"), std::string::npos) << program->output();
  directory_.Write("mesh/b.yaml", "kind: [");
  program = Start({"--check"});
  EXPECT_EQ(program->Wait(), 65);
  EXPECT_NE(program->output().find("b.yaml"), std::string::npos) << program->output();
}

TEST_F(ProgramTest, RefusesBadConfigurationWithOneLine) {
  directory_.Write("config.yaml", "stateDirectory: x\nregistri: {}\n");
  ExpectRefusal(65, "registri");
  directory_.Write("config.yaml", "registry: {directory: x}\n");
  ExpectRefusal(65, "stateDirectory: is required");
  WriteConfig("trustDomain: UPPER\n");
  ExpectRefusal(65, "trustDomain");
  WriteConfig("", "localhost:15012");
  ExpectRefusal(65, "\"localhost:15012\" is not \"ip:port\"");
  WriteConfig("logLevel: loud\n");
  ExpectRefusal(65, "logLevel");
  WriteConfig("");
  directory_.Write("mesh/a.yaml", "kind: [");
  ExpectRefusal(65, "a.yaml");
}

TEST_F(ProgramTest, RefusesATakenPortWithOneLine) {
  const auto first = StartReady();
  directory_.Write("config.yaml",
                   absl::StrCat("stateDirectory: ", directory_.File("other"),
                                "\naddress: ", ready_["address"].get<std::string>(),
                                "\nmonitoringAddress: 127.0.0.1:0\nregistry: {directory: ",
                                directory_.File("mesh"), "}\n"));
  ExpectRefusal(1, "is another process using the port?");
}

TEST_F(ProgramTest, RefusesAStateDirectoryThatIsInUse) {
  const auto first = StartReady();
  ExpectRefusal(1, "another control plane is using it");
}

TEST_F(ProgramTest, AnswersMonitoringAndStopsOnASignal) {
  const auto program = StartReady();
  const std::string monitoring = ready_["monitoring"];
  EXPECT_EQ(Ask(monitoring, "/healthz/ready").status, 200);
  EXPECT_EQ(Ask(monitoring, "/healthz/live").status, 200);
  EXPECT_EQ(Ask(monitoring, "/nowhere").status, 404);
  EXPECT_EQ(Ask(monitoring, "/metrics", "x").status, 405);
  EXPECT_NE(Ask(monitoring, "/metrics").body.find("kith_registry_files{state=\"good\"} 1"),
            std::string::npos);
  program->Signal(SIGTERM);
  EXPECT_EQ(program->Wait(), 0) << program->output();
}

TEST_F(ProgramTest, TellsItsStatusAndMakesTokens) {
  const auto program = StartReady();
  const nlohmann::json status = Status();
  EXPECT_EQ(status["trustDomain"], "cluster.local");
  EXPECT_EQ(status["roots"].size(), 1u);
  EXPECT_EQ(status["signer"]["serial"], status["roots"][0]["serial"]);
  EXPECT_EQ(status["registry"]["resources"]["Service"], 1);
  EXPECT_EQ(status["registry"]["files"][0]["state"], "good");

  const http::BlockingResponse token =
      AskAdmin("/v1/tokens", R"({"namespace": "demo", "serviceAccount": "a", "ttl": "1h"})");
  EXPECT_EQ(token.status, 200) << token.body;
  EXPECT_EQ(nlohmann::json::parse(token.body)["spiffeId"], "spiffe://cluster.local/ns/demo/sa/a");
  for (const char* bad : {"x", "[]", "{}", R"({"namespace": "demo"})",
                          R"({"namespace": "a/b", "serviceAccount": "a"})",
                          R"({"namespace": "a", "serviceAccount": "a", "ttl": "soon"})",
                          R"({"namespace": "a", "serviceAccount": "a", "ttl": "-1h"})",
                          R"({"namespace": "a", "serviceAccount": "a", "lifetime": "1h"})"}) {
    const http::BlockingResponse refused = AskAdmin("/v1/tokens", bad);
    EXPECT_EQ(refused.status, 400) << bad;
    EXPECT_TRUE(nlohmann::json::parse(refused.body).contains("error")) << bad;
  }
  EXPECT_EQ(AskAdmin("/v1/status", "x").status, 405);
  EXPECT_EQ(AskAdmin("/v1/tokens").status, 405);
}

TEST_F(ProgramTest, ServesASidecarOverTls) {
  const auto program = StartReady();
  const std::string answer =
      AskAdmin("/v1/tokens", R"({"namespace": "demo", "serviceAccount": "backend"})").body;
  const std::string token = nlohmann::json::parse(answer)["token"];

  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("localhost");
  const auto channel = grpc::CreateCustomChannel(
      ready_["address"].get<std::string>(),
      grpc::SslCredentials({.pem_root_certs = directory_.Read("state/root-cert.pem"),
                            .pem_private_key = "",
                            .pem_cert_chain = ""}),
      arguments);
  const auto stub = envoy::service::discovery::v3::AggregatedDiscoveryService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  context.AddMetadata("authorization", "Bearer " + token);
  const auto stream = stub->DeltaAggregatedResources(&context);
  Request request;
  auto& fields = *request.mutable_node()->mutable_metadata()->mutable_fields();
  fields["workload"].set_string_value("backend-1");
  request.set_type_url(kWorkloadConfigType);
  request.add_resource_names_subscribe("self");
  ASSERT_TRUE(stream->Write(request));
  Response response;
  ASSERT_TRUE(stream->Read(&response)) << stream->Finish().error_message();

  const nlohmann::json workload = Status()["workloads"][0];
  EXPECT_EQ(workload["name"], "backend-1");
  EXPECT_EQ(workload["spiffeId"], "spiffe://cluster.local/ns/demo/sa/backend");
  EXPECT_EQ(workload["connected"], true);
  EXPECT_TRUE(workload["certificate"].is_null());
  bool stale = false;
  for (const auto& config : workload["config"]) {
    stale |= config["type"] == "WorkloadConfig" && config["state"] == "STALE";
  }
  EXPECT_TRUE(stale) << workload;

  program->Signal(SIGTERM);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(program->Wait(), 0) << program->output();
}

}  // namespace
}  // namespace kith::controlplane
