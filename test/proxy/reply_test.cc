#include "source/proxy/reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kith::proxy {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(ReplyTest, RefusesInPlainText) {
  const Reply reply = Reply::Refusal(403, "RBAC: access denied", {});
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.body, "RBAC: access denied");
  EXPECT_THAT(reply.headers, ElementsAre(Pair("Content-Type", "text/plain")));
}

TEST(ReplyTest, RefusesGrpcInItsOwnTerms) {
  const http::Header type = {"Content-Type", "application/grpc+proto"};
  const struct {
    int status;
    const char* grpc;
  } cases[] = {{403, "7"}, {401, "16"}, {429, "8"}, {503, "14"}};
  for (const auto& [status, grpc] : cases) {
    const Reply reply = Reply::Refusal(status, "no", {&type, 1});
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "");
    EXPECT_THAT(reply.headers, ElementsAre(Pair("Content-Type", "application/grpc"),
                                           Pair("grpc-status", grpc), Pair("grpc-message", "no")));
  }
}

TEST(ReplyTest, TakesGrpcWebForHttp) {
  const http::Header type = {"content-type", "application/grpc-web+proto"};
  EXPECT_FALSE(IsGrpc({&type, 1}));
  EXPECT_EQ(Reply::Refusal(403, "no", {&type, 1}).status, 403);
}

}  // namespace
}  // namespace kith::proxy
