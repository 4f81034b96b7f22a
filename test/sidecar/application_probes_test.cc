#include "source/sidecar/application_probes.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "source/event/loop.h"
#include "source/http/blocking_client.h"
#include "source/http/embedded_server.h"
#include "source/sidecar/bootstrap.h"
#include "source/sidecar/wait.h"

namespace kith::sidecar {
namespace {

using ::testing::HasSubstr;
namespace health = ::grpc::health::v1;

class HealthService final : public health::Health::Service {
  grpc::Status Check(grpc::ServerContext*, const health::HealthCheckRequest* request,
                     health::HealthCheckResponse* response) override {
    response->set_status(request->service() == "down" ? health::HealthCheckResponse::NOT_SERVING
                                                      : health::HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }
};

// An application, and the sidecar's monitoring port, on a loop of their own.
class ApplicationProbesTest : public testing::Test {
 protected:
  ApplicationProbesTest() {
    application_ = Serve([this](const http::EmbeddedRequest& request,
                                http::EmbeddedResponder responder) {
      if (request.path == "/silent") {
        kept_ = std::make_unique<http::EmbeddedResponder>(std::move(responder));
        return;
      }
      responder.Send({.status = request.path == "/ready" ? 204 : 503, .body = "", .headers = {}});
      seen_ = std::string(request.FindHeader("x-probe")) + " " +
              std::string(request.FindHeader("host"));
    });
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &grpc_port_);
    builder.RegisterService(&health_);
    grpc_ = builder.BuildAndStart();
  }
  ~ApplicationProbesTest() override {
    loop_->Stop();
    thread_.join();
  }

  void Start(std::vector<ApplicationProbe> probes) {
    probes_ = std::make_unique<ApplicationProbes>(
        *loop_, std::move(probes), ApplicationProbes::Target{"127.0.0.1", "127.0.0.6"});
    monitoring_ =
        Serve([this](const http::EmbeddedRequest& request, http::EmbeddedResponder responder) {
          if (!probes_->Answer(request, responder))
            responder.Send(http::ErrorResponse(404, "none"));
        });
    thread_ = std::thread([this] { loop_->Run(); });
  }
  http::BlockingResponse Ask(const std::string& path) {
    http::BlockingRequestOptions options;
    options.address = monitoring_->local();
    options.path = path;
    const auto answer = http::BlockingRequest(options);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or(http::BlockingResponse());
  }
  ApplicationProbe Probe(const std::string& path, ApplicationProbe::Check check,
                         const std::string& target = "/") {
    ApplicationProbe probe;
    probe.path = path;
    probe.check = check;
    probe.timeout = absl::Seconds(10);
    probe.port = check == ApplicationProbe::Check::kGrpc ? static_cast<uint16_t>(grpc_port_)
                                                         : application_->local().port();
    probe.target = target;
    return probe;
  }

 private:
  std::unique_ptr<http::EmbeddedServer> Serve(http::EmbeddedServer::Handler handler) {
    auto server = http::EmbeddedServer::Create(
        *loop_, {.address = *base::SocketAddress::Parse("127.0.0.1:0")}, std::move(handler));
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }

 protected:
  std::unique_ptr<event::Loop> loop_ = event::Loop::Create().value();
  HealthService health_;
  std::unique_ptr<grpc::Server> grpc_;
  int grpc_port_ = 0;
  std::string seen_;
  std::unique_ptr<http::EmbeddedResponder> kept_;
  std::unique_ptr<http::EmbeddedServer> application_;
  std::unique_ptr<ApplicationProbes> probes_;
  std::unique_ptr<http::EmbeddedServer> monitoring_;
  std::thread thread_;
};

TEST_F(ApplicationProbesTest, PassesTheApplicationsStatusOn) {
  using Check = ApplicationProbe::Check;
  ApplicationProbe good = Probe("/app-health/a/readyz", Check::kHttp, "/ready");
  good.headers = {{"X-Probe", "yes"}, {"Host", "app.example"}};
  Start({good, Probe("/app-health/a/livez", Check::kHttp, "/other")});
  EXPECT_EQ(Ask("/app-health/a/readyz").status, 204);
  EXPECT_EQ(seen_, "yes app.example");
  EXPECT_EQ(Ask("/app-health/a/livez").status, 503);
  EXPECT_EQ(Ask("/app-health/b/livez").status, 404);
}

TEST_F(ApplicationProbesTest, TakesNoAnswerInPlaintextForOneOverTls) {
  Start({Probe("/app-health/a/readyz", ApplicationProbe::Check::kHttps, "/ready")});
  const http::BlockingResponse refused = Ask("/app-health/a/readyz");
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr("handshake"));
}

TEST_F(ApplicationProbesTest, ConnectsForTcp) {
  ApplicationProbe closed = Probe("/app-health/a/livez", ApplicationProbe::Check::kTcp);
  closed.port = 1;
  Start({Probe("/app-health/a/readyz", ApplicationProbe::Check::kTcp), closed});
  EXPECT_EQ(Ask("/app-health/a/readyz").status, 200);
  const http::BlockingResponse refused = Ask("/app-health/a/livez");
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr("refused"));
}

TEST_F(ApplicationProbesTest, AsksForHealthByGrpc) {
  ApplicationProbe down = Probe("/app-health/a/livez", ApplicationProbe::Check::kGrpc);
  down.service = "down";
  Start({Probe("/app-health/a/readyz", ApplicationProbe::Check::kGrpc), down});
  EXPECT_EQ(Ask("/app-health/a/readyz").status, 200);
  const http::BlockingResponse refused = Ask("/app-health/a/livez");
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr("NOT_SERVING"));
}

TEST_F(ApplicationProbesTest, GivesUpOnASilentApplication) {
  ApplicationProbe silent =
      Probe("/app-health/a/readyz", ApplicationProbe::Check::kHttp, "/silent");
  silent.timeout = absl::Milliseconds(50);
  Start({silent});
  const http::BlockingResponse late = Ask("/app-health/a/readyz");
  EXPECT_EQ(late.status, 500);
  EXPECT_THAT(late.body, HasSubstr("no answer in time"));
}

TEST_F(ApplicationProbesTest, IsWaitedForUntilItsTimeIsOver) {
  Start({});
  const absl::Status late =
      WaitUntilReady(monitoring_->local().ToString(), absl::Milliseconds(150));
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  EXPECT_TRUE(absl::IsInvalidArgument(WaitUntilReady("nowhere", absl::Seconds(1))));
}

}  // namespace
}  // namespace kith::sidecar
