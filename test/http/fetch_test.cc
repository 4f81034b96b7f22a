#include "source/http/fetch.h"

#include <gmock/gmock.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/http/embedded_server.h"
#include "test/support/run_until.h"

namespace kith::http {
namespace {

using ::testing::HasSubstr;

class FetchTest : public ::testing::Test {
 protected:
  FetchTest() {
    EmbeddedServer::Options options;
    options.address = base::SocketAddress::Parse("127.0.0.1:0").value();
    server_ = *EmbeddedServer::Create(
        *loop_, options, [this](const EmbeddedRequest& request, EmbeddedResponder responder) {
          asked_ = request;
          if (request.path == "/silent") {
            kept_.push_back(std::move(responder));
          } else {
            responder.Send({.status = status_,
                            .content_type = "application/x",
                            .body = std::string(request.path == "/long" ? 5000 : 5, 'b'),
                            .headers = {}});
          }
        });
  }
  std::string Url(absl::string_view path) const {
    return absl::StrCat("http://", server_->local().ToString(), path);
  }
  absl::StatusOr<FetchedAnswer> Get(FetchOptions options) {
    options.max_body_bytes = 1000;
    absl::optional<absl::StatusOr<FetchedAnswer>> got;
    const Fetch fetch(*loop_, std::move(options),
                      [&got](absl::StatusOr<FetchedAnswer> answer) { got = std::move(answer); });
    EXPECT_FALSE(got.has_value()) << "never before the constructor returns";
    EXPECT_TRUE(test::RunUntil(*loop_, [&got] { return got.has_value(); }));
    return *std::move(got);
  }

  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  std::unique_ptr<EmbeddedServer> server_;
  EmbeddedRequest asked_;
  std::vector<EmbeddedResponder> kept_;
  int status_ = 200;
};

TEST_F(FetchTest, SendsWhatItIsGivenAndReturnsTheAnswer) {
  const auto answer = Get({.url = Url("/a?b=c"),
                           .method = "POST",
                           .content_type = "application/ocsp-request",
                           .body = std::string("\0binary", 7)});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->content_type, "application/x");
  EXPECT_EQ(answer->body, "bbbbb");
  EXPECT_EQ(asked_.method, "POST");
  EXPECT_EQ(asked_.target, "/a?b=c");
  EXPECT_EQ(asked_.body, std::string("\0binary", 7));
  EXPECT_EQ(asked_.FindHeader("content-type"), "application/ocsp-request");
  EXPECT_EQ(asked_.FindHeader("host"), server_->local().ToString());
}

TEST_F(FetchTest, ReturnsAnyStatus) {
  status_ = 404;
  EXPECT_EQ(Get({.url = Url("/")})->status, 404);
}

TEST_F(FetchTest, ResolvesNames) {
  const uint16_t port = server_->local().port();
  EXPECT_EQ(Get({.url = absl::StrCat("http://localhost:", port, "/")})->status, 200);
}

TEST_F(FetchTest, BoundsTheAnswerAndTheWait) {
  EXPECT_TRUE(absl::IsResourceExhausted(Get({.url = Url("/long")}).status()));
  const auto late = Get({.url = Url("/silent"), .timeout = absl::Milliseconds(50)}).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  EXPECT_THAT(late.message(), HasSubstr(Url("/silent")));
}

TEST_F(FetchTest, SaysWhatIsWrongWithAnAddress) {
  for (const char* url : {"https://127.0.0.1/", "ftp://127.0.0.1/", "nonsense", "http://"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Get({.url = url}).status())) << url;
  }
  const std::string gone = Url("/");
  server_.reset();
  EXPECT_TRUE(absl::IsUnavailable(Get({.url = gone}).status()));
}

TEST_F(FetchTest, ConnectsToNoAddressThatItMayNot) {
  std::vector<std::string> judged;
  const auto refuse = [&judged](const base::SocketAddress& address) {
    judged.push_back(address.IpString());
    return absl::PermissionDeniedError("not there");
  };
  const std::string port = absl::StrCat(server_->local().port());
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto got =
        Get({.url = absl::StrCat("http://", host, ":", port, "/"), .may_connect = refuse});
    EXPECT_TRUE(absl::IsPermissionDenied(got.status())) << got.status();
  }
  EXPECT_EQ(judged.size(), 2u);
  EXPECT_EQ(asked_.path, "") << "the server heard nothing";
}

TEST_F(FetchTest, CallsNobodyOnceItIsGone) {
  bool called = false;
  std::make_unique<Fetch>(*loop_, FetchOptions{.url = Url("/")},
                          [&called](const absl::StatusOr<FetchedAnswer>&) { called = true; })
      .reset();
  EXPECT_EQ(Get({.url = Url("/")})->status, 200);
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace kith::http
