#include "source/proxy/request_time.h"

#include <gtest/gtest.h>

namespace kith::proxy {
namespace {

http::RequestHead Head(absl::string_view grpc_timeout) {
  http::RequestHead head;
  if (!grpc_timeout.empty()) head.headers.push_back({"grpc-timeout", grpc_timeout});
  return head;
}

TEST(RequestTimeTest, HasNoEndWithoutALimit) {
  RequestTime time;
  time.Start(1000, absl::ZeroDuration(), Head(""));
  time.StartTry(1000, absl::ZeroDuration());
  EXPECT_EQ(time.next_ms(), RequestTime::kNever);
  EXPECT_FALSE(time.over(UINT64_MAX - 1));
  EXPECT_EQ(time.GrpcTimeout(5000), absl::nullopt);
}

TEST(RequestTimeTest, EndsWithTheShorterOfLimitAndGrpcTimeout) {
  RequestTime time;
  time.Start(1000, absl::Seconds(2), Head("500m"));
  EXPECT_FALSE(time.over(1499));
  EXPECT_TRUE(time.over(1500));
  time.Start(1000, absl::Milliseconds(200), Head("500m"));
  EXPECT_TRUE(time.over(1200));
  time.Start(1000, absl::Milliseconds(200), Head("five"));
  EXPECT_EQ(time.next_ms(), 1200u);
}

TEST(RequestTimeTest, TellsTheNextHopWhatIsLeft) {
  RequestTime time;
  time.Start(1000, absl::ZeroDuration(), Head("500m"));
  EXPECT_EQ(time.GrpcTimeout(1000), absl::nullopt) << "the client's own says it";
  EXPECT_EQ(time.GrpcTimeout(1100), "400m");
  EXPECT_EQ(time.GrpcTimeout(9000), "1m");
  time.Start(1000, absl::Milliseconds(200), Head("500m"));
  EXPECT_EQ(time.GrpcTimeout(1000), "200m") << "the limit is shorter";
}

TEST(RequestTimeTest, EndsATryWithoutEndingTheRequest) {
  RequestTime time;
  time.Start(1000, absl::Seconds(1), Head(""));
  time.StartTry(1000, absl::Milliseconds(100));
  EXPECT_EQ(time.next_ms(), 1100u);
  EXPECT_TRUE(time.try_over(1100));
  EXPECT_FALSE(time.over(1100));
  time.EndTry();
  EXPECT_FALSE(time.try_over(1100));
  EXPECT_EQ(time.next_ms(), 2000u);
}

}  // namespace
}  // namespace kith::proxy
