#include "source/ctl/commands.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/http/embedded_server.h"
#include "test/support/temporary_directory.h"

namespace kith::ctl {
namespace {

// An admin socket that answers with what the test says, on a loop of its own.
class CommandsTest : public testing::Test {
 protected:
  CommandsTest() : socket_(directory_.path() + "/admin.sock") {
    http::EmbeddedServer::Options options;
    options.address = *base::SocketAddress::Parse(absl::StrCat("unix:", socket_));
    server_ = *http::EmbeddedServer::Create(
        *loop_, options, [this](const http::EmbeddedRequest& request, http::EmbeddedResponder to) {
          asked_ = absl::StrCat(request.method, " ", request.path, " ", request.body);
          to.Send({.status = status_,
                   .content_type = "application/json",
                   .body = answer_,
                   .headers = {}});
        });
    thread_ = std::thread([this] { loop_->Run(); });
  }
  ~CommandsTest() override {
    loop_->Stop();
    thread_.join();
  }

  AdminClient client() const { return AdminClient(socket_, "the control plane"); }
  // What a command prints, when it is done well.
  template <typename Command>
  std::string Printed(Command command) {
    testing::internal::CaptureStdout();
    const absl::Status done = command();
    const std::string printed = testing::internal::GetCapturedStdout();
    EXPECT_TRUE(done.ok()) << done;
    return printed;
  }

  test::TemporaryDirectory directory_;
  const std::string socket_;
  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  std::unique_ptr<http::EmbeddedServer> server_;
  std::thread thread_;
  int status_ = 200;
  std::string answer_;
  std::string asked_;
};

TEST_F(CommandsTest, ShowsWorkloadsAndWhatIsNotInOrder) {
  answer_ =
      R"({"version":"1","trustDomain":"td","roots":[{"serial":"aa","notAfter":"2999-01-01T00:00:00Z"}],
    "workloads":[{"namespace":"demo","name":"a","spiffeId":"spiffe://td/x","connected":true,
      "certificate":{"serial":"beef","notAfter":"2999-01-01T00:00:00Z","activatedAt":"2000-01-01T00:00:00Z"},
      "config":[{"type":"Service","state":"SYNCED"},
                {"type":"WorkloadConfig","state":"ERROR","error":"no such field"}]},
     {"namespace":"demo","name":"gone","connected":false,"certificate":null,"config":[]}],
    "registry":{"files":[{"file":"p.yaml","state":"bad","error":"line 3"},{"file":"q.yaml","state":"good"}]}})";
  const std::string text = Printed([&] { return ShowMesh(client(), Output::kTable); });
  EXPECT_EQ(asked_, "GET /v1/status ");
  EXPECT_TRUE(absl::StrContains(text, "beef")) << text;
  EXPECT_TRUE(absl::StrContains(text, "ERROR")) << text;
  EXPECT_TRUE(absl::StrContains(text, "demo/a: WorkloadConfig ERROR: no such field")) << text;
  EXPECT_TRUE(absl::StrContains(text, "p.yaml: line 3")) << text;
  EXPECT_FALSE(absl::StrContains(text, "q.yaml")) << text;
}

TEST_F(CommandsTest, PrintsTheAnswerItselfAsJson) {
  answer_ = R"({"version":"1","further":[1,2]})";
  const std::string text = Printed([&] { return ShowMesh(client(), Output::kJson); });
  EXPECT_TRUE(absl::StrContains(text, "\"further\"")) << text;
}

TEST_F(CommandsTest, SurvivesAnswersOfAnotherShape) {
  for (const char* answer : {"{}", "[]", "7", R"({"workloads":7,"roots":{},"registry":[]})"}) {
    answer_ = answer;
    Printed([&] { return ShowMesh(client(), Output::kTable); });
  }
  answer_ = "<html>";
  EXPECT_TRUE(absl::IsInternal(ShowMesh(client(), Output::kTable)));
}

TEST_F(CommandsTest, WritesATokenToAPrivateFileAndDoesNotPrintIt) {
  answer_ = R"({"token":"s3cret","expiresAt":"2999-01-01T00:00:00Z","spiffeId":"spiffe://td/x"})";
  const std::string file = directory_.path() + "/token";
  std::ofstream(file) << "older and longer than the new one";
  chmod(file.c_str(), 0644);
  const std::string text = Printed([&] {
    return CreateToken(client(), {TokenRequest::Use::kAny, "demo", "a", "24h", file},
                       Output::kTable);
  });
  EXPECT_FALSE(absl::StrContains(text, "s3cret")) << text;
  EXPECT_TRUE(absl::StrContains(asked_, R"("serviceAccount":"a")")) << asked_;
  std::ifstream written(file);
  std::stringstream content;
  content << written.rdbuf();
  EXPECT_EQ(content.str(), "s3cret\n");
  struct stat status;
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(CommandsTest, RepeatsTheServersReasonForARefusal) {
  status_ = 400;
  answer_ = R"({"error":"namespace: not a name"})";
  const absl::Status refused =
      CreateToken(client(), {TokenRequest::Use::kAny, "?", "a", "24h", ""}, Output::kTable);
  EXPECT_EQ(refused.message(), "namespace: not a name");
}

TEST_F(CommandsTest, SaysWhatToCheckWhenNothingAnswers) {
  const AdminClient nobody(directory_.path() + "/none.sock", "the sidecar");
  const absl::Status failed = ShowSidecar(nobody, Output::kTable);
  EXPECT_TRUE(absl::StrContains(failed.message(), "none.sock")) << failed;
  EXPECT_TRUE(absl::StrContains(failed.message(), "is the sidecar running")) << failed;
}

TEST_F(CommandsTest, GivesUpOnARotationThatDoesNotHappen) {
  answer_ = R"({"generation":4,"lastAttempt":{"error":"no route"}})";
  const absl::Status failed = RotateCertificate(client(), absl::Milliseconds(100), Output::kTable);
  EXPECT_TRUE(absl::IsDeadlineExceeded(failed));
  EXPECT_TRUE(absl::StrContains(failed.message(), "no route")) << failed;
}

}  // namespace
}  // namespace kith::ctl
