// What a DestinationRule does to traffic: which endpoint is taken, what is refused, what is closed.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {
namespace {

std::string Response(absl::string_view status, absl::string_view body) {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

// Answers the first request once it is told to.
class Held {
 public:
  Held()
      : application([this](Client& connection) {
          if (!absl::StrContains(connection.ReadUntil("\r\n\r\n"), "\r\n\r\n")) return;
          arrived_.set_value();
          released_.wait();
          connection.Send(Response("200 OK", "held"));
        }) {}

  void AwaitRequest() { arrived_.get_future().wait(); }
  void Release() { release_.set_value(); }

 private:
  std::promise<void> arrived_;
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();

 public:
  Application application;
};

std::string Body(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

TEST(UpstreamPolicyTest, TakesTurnsInRoundRobin) {
  Application a(Answering(Response("200 OK", "a")));
  Application b(Answering(Response("200 OK", "b")));
  Application c(Answering(Response("200 OK", "c")));
  ProxyPair::Options options;
  options.traffic.balancer = mesh::Balancer::kRoundRobin;
  options.plaintext_endpoints = {b.port(), c.port()};
  ProxyPair pair(a.port(), options);
  std::string order;
  for (int i = 0; i < 9; ++i) order += Body(pair.Get());
  EXPECT_EQ(order, "abcabcabc");
}

TEST(UpstreamPolicyTest, SendsAHeadersValueToOneEndpoint) {
  Application a(Answering(Response("200 OK", "a")));
  Application b(Answering(Response("200 OK", "b")));
  ProxyPair::Options options;
  options.traffic.balancer = mesh::Balancer::kConsistentHash;
  options.traffic.hash_header = "x-user";
  options.plaintext_endpoints = {b.port()};
  ProxyPair pair(a.port(), options);
  std::map<std::string, int> counts;
  for (int user = 0; user < 30; ++user) {
    std::string first;
    for (int i = 0; i < 2; ++i) {
      Client connection(pair.outbound_port());
      connection.Send(absl::StrCat("GET / HTTP/1.1\r\nHost: server\r\nX-User: u", user,
                                   "\r\nConnection: close\r\n\r\n"));
      const std::string body = Body(connection.ReadAll());
      if (i == 0) first = body;
      EXPECT_EQ(body, first);
    }
    ++counts[first];
  }
  EXPECT_EQ(counts.size(), 2u);
}

TEST(UpstreamPolicyTest, RefusesRequestsAboveTheLimit) {
  Held held;
  ProxyPair::Options options;
  options.traffic.pool.max_requests = 1;
  ProxyPair pair(held.application.port(), options);
  Client first(pair.outbound_port());
  first.Send("GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n");
  held.AwaitRequest();
  const std::string refused = pair.Get();
  EXPECT_TRUE(absl::StartsWith(refused, "HTTP/1.1 503 ")) << refused;
  EXPECT_TRUE(absl::StrContains(pair.ClientMetrics(), "response_flags=\"UO\""))
      << pair.ClientMetrics();
  held.Release();
  EXPECT_EQ(Body(first.ReadAll()), "held");
}

TEST(UpstreamPolicyTest, RefusesOpaqueConnectionsAboveTheLimit) {
  Application echo([](Client& connection) {
    for (std::string bytes = connection.ReadSome(); !bytes.empty(); bytes = connection.ReadSome()) {
      connection.Send(bytes);
    }
  });
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kTcp;
  options.traffic.pool.max_connections = 1;
  ProxyPair pair(echo.port(), options);
  {
    Client first(pair.outbound_port());
    first.Send("x");
    EXPECT_EQ(first.ReadSome(), "x");
    Client second(pair.outbound_port());
    second.Send("y");
    EXPECT_TRUE(second.ReadAll().find('y') == std::string::npos);
    EXPECT_TRUE(absl::StrContains(pair.ClientMetrics(),
                                  "kith_connections_refused_total{direction="
                                  "\"outbound\",reason=\"circuit_open\"} 1"))
        << pair.ClientMetrics();
    first.Send("z");
    EXPECT_EQ(first.ReadSome(), "z");
  }
}

TEST(UpstreamPolicyTest, ClosesAConnectionAfterItsRequests) {
  Application application(Answering(Response("200 OK", "ok")));
  ProxyPair::Options options;
  options.traffic.pool.max_requests_per_connection = 2;
  options.traffic.balancer = mesh::Balancer::kRoundRobin;
  Application beside(Answering(Response("200 OK", "beside")));
  options.plaintext_endpoints = {beside.port()};
  ProxyPair pair(application.port(), options);
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(absl::StartsWith(pair.Get(), "HTTP/1.1 200 "));
  EXPECT_EQ(beside.accepted(), 3);
}

TEST(UpstreamPolicyTest, LeavesOutAnEndpointThatKeepsFailing) {
  Application good(Answering(Response("200 OK", "good")));
  Application bad(Answering(Response("500 Internal Server Error", "bad")));
  ProxyPair::Options options;
  options.traffic.balancer = mesh::Balancer::kRoundRobin;
  options.traffic.outliers.consecutive_errors = 3;
  options.traffic.outliers.base_ejection_time = absl::Hours(1);
  options.plaintext_endpoints = {bad.port()};
  ProxyPair pair(good.port(), options);
  int failed = 0;
  for (int i = 0; i < 20; ++i) failed += Body(pair.Get()) == "bad";
  EXPECT_EQ(failed, 3);
  EXPECT_TRUE(absl::StrContains(pair.ClientMetrics(), "kith_upstream_ejections_total 1"))
      << pair.ClientMetrics();
}

TEST(UpstreamPolicyTest, UsesTheLastEndpointHoweverItAnswers) {
  Application bad(Answering(Response("500 Internal Server Error", "bad")));
  ProxyPair::Options options;
  options.traffic.outliers.consecutive_errors = 1;
  ProxyPair pair(bad.port(), options);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Body(pair.Get()), "bad");
  EXPECT_FALSE(absl::StrContains(pair.ClientMetrics(), "kith_upstream_ejections_total 1"));
}

// Of three endpoints: in the client's zone, in its region, and elsewhere.
ProxyPair::Options InThreePlaces(std::vector<uint16_t> farther) {
  ProxyPair::Options options;
  options.traffic.outliers.consecutive_errors = 1;
  options.traffic.outliers.base_ejection_time = absl::Hours(1);
  options.traffic.outliers.max_ejection_percent = 100;
  options.plaintext_endpoints = std::move(farther);
  options.client_locality = "eu/1";
  options.localities = {"eu/1", "eu/2", "us/1"};
  return options;
}

TEST(UpstreamPolicyTest, PrefersTheNearestThatIsHealthy) {
  std::atomic<bool> fails{false};
  Application near([&](Client& connection) {
    while (absl::StrContains(connection.ReadUntil("\r\n\r\n"), "\r\n\r\n")) {
      connection.Send(fails ? Response("500 Internal Server Error", "bad")
                            : Response("200 OK", "near"));
    }
  });
  Application farther(Answering(Response("200 OK", "farther")));
  Application elsewhere(Answering(Response("200 OK", "elsewhere")));
  ProxyPair pair(near.port(), InThreePlaces({farther.port(), elsewhere.port()}));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Body(pair.Get()), "near");
  fails = true;
  EXPECT_EQ(Body(pair.Get()), "bad");
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Body(pair.Get()), "farther");
}

TEST(UpstreamPolicyTest, SpreadsOverEveryPlaceWhenTheRuleSaysSo) {
  Application near(Answering(Response("200 OK", "near")));
  Application farther(Answering(Response("200 OK", "farther")));
  Application elsewhere(Answering(Response("200 OK", "elsewhere")));
  const auto places = [&](ProxyPair::Options options) {
    options.traffic.balancer = mesh::Balancer::kRoundRobin;
    ProxyPair pair(near.port(), std::move(options));
    std::set<std::string> answers;
    for (int i = 0; i < 6; ++i) answers.insert(Body(pair.Get()));
    return answers.size();
  };
  ProxyPair::Options options = InThreePlaces({farther.port(), elsewhere.port()});
  EXPECT_EQ(places(options), 1u);
  options.traffic.locality.enabled = false;
  EXPECT_EQ(places(options), 3u);
  options = InThreePlaces({farther.port(), elsewhere.port()});
  options.traffic.outliers = {};
  EXPECT_EQ(places(options), 3u) << "as with Istio: only beside outlier detection";
}

}  // namespace
}  // namespace kith::proxy
